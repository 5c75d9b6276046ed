"""Which copies an asset has, and which of them to take: this world's before a NAS's before a remote one's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from realm.checkpoints.sidecar import SIDECAR
from realm.world import World
from vault.assets import rows
from vault.assets.ids import CHECKPOINT
from vault.assets.resolving import resolve
from vault.errors import NotFound
from vault.models import Asset, Location
from vault.strongholds.opening import Known, address, known_strongholds
from vault.strongholds.registry import LOCAL, StrongholdType

_RANKS = {StrongholdType.LOCAL: 1, StrongholdType.NAS: 2, StrongholdType.ZONE: 3, StrongholdType.URL: 4}


@dataclass(frozen=True, kw_only=True)
class FoundLocation:
    path: str
    """Whole for what is a folder or file of this machine, an address for the rest."""
    stronghold: str
    type: str
    """`local`, `nas`, `zone` or `url`."""
    state: str
    size_bytes: int
    verified_at: datetime | None
    """When every byte of it was last read and right."""
    elsewhere: bool
    """Whether it survives this machine."""
    reason: str
    pk: int
    """Of its Location."""

    @property
    def is_present(self) -> bool:
        return self.state == Location.State.PRESENT


@dataclass(frozen=True, kw_only=True)
class Located:
    found: bool
    """Whether there is a copy that can be taken."""
    asset_id: str
    """Whole, where the asset is known."""
    locations: tuple[FoundLocation, ...] = ()
    """The best one first; missing and damaged ones last."""
    message: str = ""
    """Why nothing was found."""

    @property
    def best_location(self) -> FoundLocation | None:
        return self.locations[0] if self.found else None


def locate(world: World, asset_id: str) -> Located:
    """Nobody is asked: it is what the last scan and what was done since know. What is gone from here is not told."""
    try:
        asset = resolve(world, asset_id)
    except NotFound as error:
        return Located(found=False, asset_id=asset_id, message=str(error))
    strongholds = known_strongholds(world)
    known = {each.name: each for each in strongholds}
    copies = copies_of(world, asset, strongholds)
    ordered = tuple(as_found(world, location, known.get(location.stronghold)) for location in copies)
    found = bool(ordered) and ordered[0].is_present
    message = "" if found else f"{asset.asset_id} has no copy that is whole."
    return Located(found=found, asset_id=asset.asset_id, locations=ordered, message=message)


def copies_of(world: World, asset: Asset, known_there: Sequence[Known] | None = None) -> list[Location]:
    """The best one first; of strongholds that were forgotten none, of this world those that are there.

    `known_there`: the strongholds, of who asks for many assets.
    """
    strongholds = known_strongholds(world) if known_there is None else known_there
    ranks = {each.name: _RANKS[each.type] for each in strongholds} | {LOCAL: 0}
    known = [location for location in asset.locations.all() if location.stronghold in ranks]
    there = [location for location in known if location.stronghold != LOCAL or _is_here(world, location)]
    return sorted(there, key=lambda location: _rank(location, ranks[location.stronghold]))


def _is_here(world: World, location: Location) -> bool:
    path = rows.here(world, location)
    return (path / SIDECAR).exists() if location.asset.kind == CHECKPOINT else path.exists()


def _rank(location: Location, nearness: int) -> tuple[bool, bool, int, float]:
    verified = location.verified_at.timestamp() if location.verified_at else 0.0
    is_older = location.manifest_sha256 not in ("", location.asset.manifest_sha256)
    return location.state != Location.State.PRESENT, is_older, nearness, -verified


def as_found(world: World, location: Location, known: Known | None) -> FoundLocation:
    is_here = location.stronghold == LOCAL
    return FoundLocation(
        path=str(rows.here(world, location)) if is_here else address(known, location.path),
        stronghold=location.stronghold,
        type=LOCAL if known is None else str(known.type),
        state=location.state,
        size_bytes=location.size_bytes,
        verified_at=location.verified_at,
        elsewhere=known is not None and known.elsewhere,
        reason=location.reason,
        pk=location.pk,
    )
