"""`/api/zones`: other machines, as they answered last; no request waits for one."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from realm import strict
from vault.errors import NotFound

router = Router()


@router.get("/zones")
def zones(request: HttpRequest) -> Any:
    """Every zone of hosts.yaml, what it said last and when."""
    from vault.zones.directory import list_zones

    listed = list(list_zones(settings.WORLD))
    return {"count": len(listed), "zones": listed}


@router.get("/zones/{zone_id}")
def zone(request: HttpRequest, zone_id: str) -> Any:
    """One zone, and the assets of which it holds a copy."""
    from vault.models import Location
    from vault.zones.directory import list_zones

    found = next((each for each in list_zones(settings.WORLD) if each.zone_id == zone_id), None)
    if found is None:
        raise NotFound(f"there is no zone {strict.shown(zone_id)}; hosts.yaml names them")
    held = Location.objects.filter(stronghold=zone_id).values_list("asset__asset_id", flat=True)
    return {"zone": found, "zone_id": zone_id, "state": found.state, "copies": list(held[:1000])}
