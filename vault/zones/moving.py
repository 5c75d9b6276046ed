"""Assets to zones and from them: `push_to_zone`, `pull_from_zone`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from realm.world import World
from vault import chronicle
from vault.assets import ids, rows
from vault.assets.chunked import with_chunks
from vault.assets.manifest import Manifest
from vault.assets.resolving import names_asset, resolve, spelled_out
from vault.copies.reading import manifest_here
from vault.errors import Damaged, NotFound, Refused
from vault.index import index_checkpoint
from vault.models import Location
from vault.officer import catalog, manifests
from vault.strongholds.contract import Progress, StoredAsset, unheard
from vault.strongholds.registry import LOCAL
from vault.zones import carrying
from vault.zones.carrying import Carried
from vault.zones.directory import open_zone
from vault.zones.stronghold import ZoneStronghold


@dataclass(frozen=True, kw_only=True)
class Moved:
    success: bool
    """Always: what fails is raised."""
    asset_id: str
    zone: str
    destination: str
    """Where it lies now, on the machine that it was brought to."""
    bytes_transferred: int
    message: str


def push_to_zone(
    path_or_id: str | Path, zone: str, *, destination: str = "", by: str = "command line", progress: Progress = unheard
) -> Moved:
    """Bring an asset of this machine to a zone: a folder or file, or an asset of the vault by its id.

    It is whole and verified there when this returns. Raises NotFound, Refused, Damaged, Unreachable; what is half sent
    goes on with the next call.
    """
    world: World = settings.WORLD
    there = open_zone(world, zone)
    there.check_answers()
    place, made = _local(world, path_or_id)
    carried = carrying.push(there.client, place, made, destination=destination, progress=progress)
    chronicle.record(
        world, "push", by=by, asset_id=made.asset_id, zone=zone, bytes=carried.bytes_sent, to=carried.destination
    )
    _list_there(zone, there.client.asset(made.asset_id), made)
    return _moved(made, zone, carried)


def pull_from_zone(
    path_or_id: str | Path,
    zone: str,
    destination: str | Path | None = None,
    *,
    by: str = "command line",
    progress: Progress = unheard,
) -> Moved:
    """Bring an asset of a zone here, by its id or by its path there; it is whole and verified when this returns.

    Without a `destination`, the folder in which it is put, checkpoints come to their hero and are listed. Raises as
    `push_to_zone`.
    """
    world: World = settings.WORLD
    there = open_zone(world, zone)
    there.check_answers()
    made = there.manifest(_stored(there, str(path_or_id)))
    target = _home_of(world, made) if destination is None else Path(destination).expanduser().absolute() / made.name
    _make_folder(target.parent)
    carried = carrying.pull(there.client, made, target, progress=progress)
    if destination is None:
        _list_here(world, made, target)
    chronicle.record(
        world, "pull", by=by, asset_id=made.asset_id, zone=zone, bytes=carried.bytes_sent, to=carried.destination
    )  # fmt: skip
    return _moved(made, zone, carried)


def _local(world: World, path_or_id: str | Path) -> tuple[Path, Manifest]:
    """Where it lies on this machine, and what it consists of. Raises NotFound, Refused, Damaged."""
    place = Path(path_or_id).expanduser()
    if names_asset(str(path_or_id)) and not place.exists():
        return _by_id(world, str(path_or_id))
    if not place.exists():
        raise NotFound(f"{place} does not exist, and is no asset's id")
    place = place.resolve()  # its name is not that of a link
    return place, manifests.make(catalog.look_at(place), place)


def _by_id(world: World, asset_id: str) -> tuple[Path, Manifest]:
    asset = resolve(world, asset_id)
    location = asset.locations.filter(stronghold=LOCAL, state=Location.State.PRESENT).first()
    if location is None:
        raise NotFound(f"{asset.asset_id} lies not on this machine; only what does can be pushed")
    place = rows.here(world, location)
    try:
        return place, with_chunks(manifest_here(world, location), place)
    except OSError as error:
        raise Damaged(f"{place} cannot be read: {error.strerror}") from error


@transaction.atomic
def _list_there(zone: str, stored: StoredAsset, made: Manifest) -> None:
    rows.put_location(
        rows.asset_of_stored(stored),
        zone,
        stored.path,
        manifest_sha256=made.record_sha256,
        size_bytes=made.size_bytes,
        verified_at=timezone.now(),
    )


def _stored(there: ZoneStronghold, path_or_id: str) -> StoredAsset:
    """Raises NotFound."""
    asset_id = spelled_out(path_or_id)
    if ids.is_asset_id(asset_id):
        return there.client.asset(asset_id)
    wanted = path_or_id.rstrip("/")
    base = there.client.status().base_dir
    for stored in there.assets():
        if wanted in (stored.path, f"{base}/{stored.path}"):
            return stored
    raise NotFound(f"zone {there.name} has nothing at {wanted}")


def _home_of(world: World, made: Manifest) -> Path:
    known = ids.parse_checkpoint_id(made.asset_id)
    if known is not None and known.hero is not None:
        return world.heroes / known.hero / made.name
    if made.kind == ids.MODEL:
        target = world.models / made.name
        if target in (world.heroes, world.current_model):
            raise Refused(f"{made.asset_id} is called {made.name}, which is this world's own; name a destination")
        return target
    return world.vault / "fetched" / made.name


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(f"{folder} cannot be made: {error.strerror}") from error


def _list_here(world: World, made: Manifest, target: Path) -> None:
    if target.parent.parent == world.heroes:
        listed = index_checkpoint(world, target.parent.name, target.name)
        rows.asset_of_checkpoint(listed, verified_at=timezone.now())
        return
    _list_file_here(world, made, target)


@transaction.atomic
def _list_file_here(world: World, made: Manifest, target: Path) -> None:
    rows.put_location(
        rows.asset_of_manifest(made, timezone.now()),
        LOCAL,
        target.relative_to(world.home).as_posix(),
        manifest_sha256=made.record_sha256,
        size_bytes=made.size_bytes,
        verified_at=timezone.now(),
    )


def _moved(made: Manifest, zone: str, carried: Carried) -> Moved:
    said = [f"{made.name} is whole at {carried.destination}"]
    if not carried.bytes_sent:
        said.append("it was there already")
    if carried.breaks:
        said.append(f"went on {carried.breaks} times where it broke")
    if carried.damaged:
        said.append(f"{carried.damaged} times bytes came damaged and were sent again")
    return Moved(
        success=True,
        asset_id=made.asset_id,
        zone=zone,
        destination=carried.destination,
        bytes_transferred=carried.bytes_sent,
        message="; ".join(said),
    )
