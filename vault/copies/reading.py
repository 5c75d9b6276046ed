"""Copies wherever they lie: their manifests, and those of this world with every byte read."""

from __future__ import annotations

from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.world import World
from vault.assets import manifest as manifests
from vault.assets import rows
from vault.assets.chunked import file_of
from vault.assets.discovery import check_record
from vault.assets.ids import CHECKPOINT
from vault.assets.manifest import Manifest
from vault.errors import Damaged
from vault.models import Location
from vault.strongholds import fetching
from vault.strongholds.opening import open_stronghold
from vault.strongholds.registry import LOCAL


def manifest_here(world: World, location: Location) -> Manifest:
    """Of a checkpoint by its sidecar, names and sizes checked; of anything else by its bytes. Raises Damaged."""
    path, asset = rows.here(world, location), location.asset
    try:
        if asset.kind == CHECKPOINT:
            sidecar.verify(path, quick=True)
            return manifests.of_checkpoint(asset.asset_id, path)
        return manifests.named(manifests.of_path(asset.asset_id, asset.kind, path), asset.name)
    except (DamagedCheckpoint, OSError) as error:
        raise Damaged(str(error)) from error


def verify_here(world: World, location: Location) -> Manifest:
    """Read every byte. Raises Damaged naming a file; of what is no checkpoint, one that has changed."""
    manifest = manifest_here(world, location)
    if location.asset.kind == CHECKPOINT:
        try:
            sidecar.verify(rows.here(world, location))
        except (DamagedCheckpoint, OSError) as error:
            raise Damaged(str(error)) from error
    elif location.manifest_sha256 != manifest.record_sha256:
        raise Damaged(f"{rows.here(world, location)} has changed since the vault looked at it; `vault scan` does anew")
    return manifest


def manifest_of(world: World, location: Location) -> Manifest:
    """Raises Damaged, NotFound, Unreachable."""
    if location.stronghold == LOCAL:
        return manifest_here(world, location)
    return check_record(open_stronghold(world, location.stronghold), location)


def reader(path: Path, manifest: Manifest) -> fetching.ReadAt:
    def read_at(member: str, offset: int, length: int) -> bytes:
        place = file_of(manifest, path, member)
        try:
            with open(place, "rb") as file:
                file.seek(offset)
                return file.read(length)
        except OSError as error:
            raise Damaged(f"{place} cannot be read: {error.strerror}") from error

    return read_at
