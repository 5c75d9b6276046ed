"""From a stronghold's name to the stronghold itself."""

from __future__ import annotations

import hashlib
import socket
from dataclasses import dataclass
from typing import Any

from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import read_yaml
from vault.errors import NotFound, Refused
from vault.models import Location, Zone
from vault.strongholds.contract import Stronghold
from vault.strongholds.copying import FileStronghold
from vault.strongholds.folder import FolderBackend
from vault.strongholds.registry import LOCAL, StorageRegistry, StrongholdEntry, StrongholdType


@dataclass(frozen=True, kw_only=True)
class Known:
    """A stronghold that the world has, be it named in `strongholds.yaml` or a zone among its hosts."""

    name: str
    type: StrongholdType
    elsewhere: bool
    entry: StrongholdEntry | None


def known_strongholds(world: World) -> list[Known]:
    """Those of `strongholds.yaml`, then the zones. Raises Refused for a file that cannot be read."""
    try:
        named = StorageRegistry(world.home).list()
    except BadConfig as error:
        raise Refused(str(error)) from error
    found = [
        Known(name=name, type=entry.type, elsewhere=entry.is_elsewhere, entry=entry) for name, entry in named.items()
    ]
    hosts = {entry.host or name for name, entry in named.items() if entry.type is StrongholdType.ZONE}
    zones = Zone.objects.exclude(zone_id__in=[*hosts, *named]).values_list("zone_id", flat=True)
    return found + [Known(name=zone, type=StrongholdType.ZONE, elsewhere=True, entry=None) for zone in zones]


def open_stronghold(world: World, name: str) -> Stronghold:
    """Nothing is asked of it yet. Raises NotFound naming those that there are, Refused, or Unreachable."""
    if name == LOCAL:
        raise Refused("local is this world itself, which needs no way to be reached")
    known = {each.name: each for each in known_strongholds(world)}
    if name not in known:
        raise NotFound(f"There is no stronghold {name[:80]!r}. Known: {', '.join(known) or 'none'}.")
    entry = known[name].entry
    if entry is None or entry.type is StrongholdType.ZONE:
        return _open_zone(world, (entry.host if entry else "") or name)
    if entry.unusable:
        raise Refused(f"{name} cannot be used: {entry.unusable}")
    had_copies = Location.objects.filter(stronghold=name, state=Location.State.PRESENT).exists()
    return FileStronghold(_backend(world, name, entry), writer=_writer(world), known=had_copies)


def address(known: Known | None, path: str) -> str:
    """What people read: a whole path of a folder here, an address of anything else."""
    if known is None:
        return path
    if known.entry is None or known.type is StrongholdType.ZONE:
        return f"{known.name}:{path}"
    if known.entry.folder:
        return str(known.entry.folder / path)
    return f"{known.entry.url.rstrip('/')}/{path}"


def _backend(world: World, name: str, entry: StrongholdEntry) -> Any:
    if entry.folder:
        return FolderBackend(name, entry.folder, seconds=entry.timeout_seconds)
    # What only some worlds need takes a while to import.
    from vault.strongholds.filesystem import UrlBackend

    return UrlBackend(name, entry.url, entry.options | _secrets(world, entry), seconds=entry.timeout_seconds)


def _secrets(world: World, entry: StrongholdEntry) -> dict[str, Any]:
    if not entry.secret_file:
        return {}
    path = world.secrets / entry.secret_file
    if not path.is_file():
        raise Refused(f"there is no {path}, which strongholds.yaml names as secret_file")
    try:
        return read_yaml(path)
    except BadConfig as error:
        raise Refused(str(error)) from error


def _writer(world: World) -> str:
    """Two worlds that copy the same thing to one place do not write into each other's half-sent files."""
    return hashlib.sha256(f"{socket.gethostname()} {world.home}".encode()).hexdigest()[:8]


def _open_zone(world: World, zone: str) -> Stronghold:
    from vault.zones.directory import open_zone

    return open_zone(world, zone)
