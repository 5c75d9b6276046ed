"""Copies an asset of this world to a stronghold, and reads the bytes of copies anew."""

from __future__ import annotations

from django.db import transaction
from django.utils import timezone

from realm.world import World
from vault import chronicle
from vault.assets import rows
from vault.assets.discovery import check_record
from vault.assets.ids import CHECKPOINT
from vault.assets.manifest import Manifest
from vault.copies.bringing import only_one
from vault.copies.locating import copies_of
from vault.copies.reading import manifest_here, verify_here
from vault.errors import Damaged, NotFound, Refused
from vault.models import Asset, Checkpoint, Location
from vault.strongholds.contract import Progress, StoredAsset, unheard
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
        location = _list(stronghold, stored, _version(stored, manifest))
    chronicle.record(
        world, "copy", by=by, asset_id=asset.asset_id, stronghold=stronghold, path=stored.path, bytes=stored.size_bytes
    )
    return location


@transaction.atomic
def _list(stronghold: str, stored: StoredAsset, version: str) -> Location:
    """Also where what was copied is deleted meanwhile, and with it the row of its asset."""
    return rows.put_location(
        rows.asset_of_stored(stored),
        stronghold,
        stored.path,
        manifest_sha256=version,
        size_bytes=stored.size_bytes,
        verified_at=timezone.now(),
    )


def _version(stored: StoredAsset, manifest: Manifest) -> str:
    """Of what lies there now; a stronghold that held more of it has kept that."""
    is_ours = stored.manifest_sha256 in ("", manifest.sha256)
    return manifest.record_sha256 if is_ours else stored.manifest_sha256


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
    rows.say(location, state=Location.State.PRESENT, reason="", verified_at=timezone.now())
    if location.stronghold == LOCAL and location.asset.kind == CHECKPOINT:
        Checkpoint.objects.filter(hero=location.asset.hero, name=location.asset.name).update(
            verified_at=location.verified_at
        )


def _record(world: World, location: Location, by: str, reason: str) -> None:
    said = {"damaged": reason} if reason else {}
    chronicle.record(world, "verify", by=by, asset_id=location.asset.asset_id, stronghold=location.stronghold, **said)
