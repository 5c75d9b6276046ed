"""`/api/zones`: other machines, as they answered last; no request waits for one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from realm import strict
from realm.management.as_json import plain
from vault.api import pages
from vault.api.pages import AnyLimit, Offset
from vault.errors import NotFound
from vault.models import Location, Zone
from vault.zones.directory import list_zones

router = Router()
ZonesPage = pages.page_of(pages.Entry, "zones")
_MOST_COPIES = 1000


@router.get("/zones", response=ZonesPage)
def zones(request: HttpRequest, limit: AnyLimit = 0, offset: Offset = 0) -> Any:
    """Every zone of hosts.yaml, what it said last and when."""
    return pages.cut(_told(), limit=limit, offset=offset, key="zones")


@router.get("/zones/{zone_id}", response=pages.Entry)
def zone(request: HttpRequest, zone_id: str) -> Any:
    """One zone, and the assets of which it holds a copy."""
    found = next((each for each in _told() if each["zone_id"] == zone_id), None)
    if found is None:
        raise NotFound(f"there is no zone {strict.shown(zone_id)}; hosts.yaml names them")
    held = Location.objects.filter(stronghold=zone_id).values_list("asset__asset_id", flat=True)
    return {**found, "copies": list(held[:_MOST_COPIES])}


def _told() -> list[dict[str, Any]]:
    """As the vault's own process has heard it; of one that it has not asked yet there is only the address."""
    rows = {row.zone_id: row for row in Zone.objects.all()}
    return [
        {
            **plain(rows.get(known.zone_id) or Zone(zone_id=known.zone_id, message="it was not asked yet")),
            "url": known.url,
            "name": known.name,
        }
        for known in list_zones(settings.WORLD)
    ]
