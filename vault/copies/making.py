"""Copies an asset of this world to a stronghold, and reads the bytes of copies anew."""

from __future__ import annotations

from django.utils import timezone

from realm.world import World
from vault import chronicle
from vault.assets import rows
from vault.assets.discovery import check_record
from vault.assets.ids import CHECKPOINT
from vault.copies.bringing import only_one
from vault.copies.locating import copies_of
from vault.copies.reading import manifest_here, verify_here
from vault.errors import Damaged, NotFound, Refused
from vault.models import Asset, Checkpoint, Location
from vault.strongholds.contract import Progress, unheard
from vault.strongholds.opening import open_stronghold
from vault.strongholds.registry import LOCAL


def copy_to(world: World, asset: Asset, stronghold: str, *, by: str, progress: Progress = unheard) -> Location:
    """The new copy, every byte of which was read back there; one that is there already is verified.

    Raises Refused where this world has none to copy or there is no room, Damaged, and Unreachable.
    """
    target = open_stronghold(world, stronghold)
    source = next((each for each in copies_of(world, asset) if each.stronghold == LOCAL), None)
    if source is None:
        raise Refused(f"{asset.asset_id} does not lie in this world; `manage.py vault fetch` brings it")
    try:
        manifest = manifest_here(world, source)
    except Damaged as error:
        rows.mark(source, Location.State.DAMAGED, str(error))
        raise
    free = target.free_bytes()
    if free is not None and free < manifest.size_bytes:
        raise Refused(f"{stronghold} has {free:,} bytes left, and {asset.asset_id} needs {manifest.size_bytes:,}")
    with only_one(world, asset):
        stored = target.put(rows.here(world, source), manifest, progress=progress)
        location = rows.put_location(
            asset,
            stronghold,
            stored.path,
            manifest_sha256=stored.manifest_sha256,
            size_bytes=stored.size_bytes,
            verified_at=timezone.now(),
        )
    chronicle.record(
        world, "copy", by=by, asset_id=asset.asset_id, stronghold=stronghold, path=stored.path, bytes=stored.size_bytes
    )
    return location


def verify_copy(world: World, location: Location, *, by: str, progress: Progress = unheard) -> Location:
    """Read every byte of it, and say when that was. Raises Damaged or NotFound, which is written down, Unreachable."""
    try:
        if location.stronghold == LOCAL:
            verify_here(world, location)
        else:
            stronghold = open_stronghold(world, location.stronghold)
            check_record(stronghold, location)
            stronghold.verify(rows.stored_of(location), progress=progress)
    except (Damaged, NotFound) as error:
        rows.mark(
            location, Location.State.DAMAGED if isinstance(error, Damaged) else Location.State.MISSING, str(error)
        )
        _record(world, location, by, str(error))
        raise
    _say_verified(location)
    _record(world, location, by, "")
    return location


def _say_verified(location: Location) -> None:
    location.state, location.reason, location.verified_at = Location.State.PRESENT, "", timezone.now()
    location.save(update_fields=["state", "reason", "verified_at"])
    if location.stronghold == LOCAL and location.asset.kind == CHECKPOINT:
        Checkpoint.objects.filter(hero=location.asset.hero, name=location.asset.name).update(
            verified_at=location.verified_at
        )


def _record(world: World, location: Location, by: str, reason: str) -> None:
    said = {"damaged": reason} if reason else {}
    chronicle.record(world, "verify", by=by, asset_id=location.asset.asset_id, stronghold=location.stronghold, **said)
