"""Where copies can lie: strongholds and zones as they were last heard of. Nobody is asked while a page is drawn."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Count, Max, Q, Sum

from realm.strict import BadConfig
from realm.world import World
from vault.errors import VaultError
from vault.models import Location, Zone
from vault.strongholds.registry import StorageRegistry, StrongholdEntry, StrongholdType

TONES = {Zone.State.ONLINE: "moss", Zone.State.SILENT: "plain", Zone.State.REFUSED: "blood"}


@dataclass(frozen=True, kw_only=True)
class Place:
    """A stronghold, with what is known to lie there."""

    name: str
    entry: StrongholdEntry
    copies: int
    damaged: int
    size_bytes: int
    seen_at: Any
    """When a copy of it was last seen; None: never."""

    @property
    def where(self) -> str:
        return self.entry.url or self.entry.path or self.entry.host


@dataclass(frozen=True, kw_only=True)
class Known:
    zone: Zone
    copies: int

    @property
    def tone(self) -> str:
        return TONES[Zone.State(self.zone.state)]

    @property
    def used(self) -> float | None:
        free, total = self.zone.free_bytes, self.zone.total_bytes
        return None if free is None or not total else 1 - free / total


def zones_context(world: World) -> dict[str, Any]:
    entries, trouble = _entries(world)
    counted = _counted()
    places = [
        Place(
            name=name,
            entry=entry,
            copies=counted.get(name, {}).get("copies", 0),
            damaged=counted.get(name, {}).get("damaged", 0),
            size_bytes=counted.get(name, {}).get("size") or 0,
            seen_at=counted.get(name, {}).get("seen"),
        )
        for name, entry in entries.items()
        if entry.type is not StrongholdType.ZONE
    ]
    zones = [Known(zone=zone, copies=counted.get(zone.zone_id, {}).get("copies", 0)) for zone in Zone.objects.all()]
    return {"places": places, "zones": zones, "places_trouble": trouble}


def goals(world: World) -> list[tuple[str, str]]:
    """(name, what it is) of all to which a copy can be sent."""
    entries, _ = _entries(world)
    found = [
        (name, f"{entry.type}, {entry.url or entry.path}") for name, entry in entries.items() if not entry.unusable
    ]
    return found + [(zone.zone_id, f"zone, {zone.state}") for zone in Zone.objects.all() if zone.zone_id not in entries]


def _entries(world: World) -> tuple[dict[str, StrongholdEntry], str]:
    """And what is wrong with the file that names them."""
    try:
        return StorageRegistry(world.home).list(), ""
    except (BadConfig, VaultError) as error:
        return {}, str(error)


def _counted() -> dict[str, dict[str, Any]]:
    """One query over all copies elsewhere."""
    rows = Location.objects.exclude(stronghold="local").order_by().values("stronghold")
    present, damaged = Q(state=Location.State.PRESENT), Q(state=Location.State.DAMAGED)
    told = rows.annotate(
        copies=Count("pk", filter=present),
        damaged=Count("pk", filter=damaged),
        size=Sum("size_bytes", filter=present),
        seen=Max("seen_at"),
    )
    return {row["stronghold"]: dict(row) for row in told}
