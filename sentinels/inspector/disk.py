"""Whether the volumes of a world take what will be written: room, inodes, their state, and room for the next save."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from arena import status as arena_status
from realm.checkpoints import branches
from realm.disk import durable
from realm.disk.ballast import FILE, ROOM_FACTOR, SIZE_BYTES, Ballast
from realm.strict import BadConfig
from realm.world import World
from sentinels.inspector.finding import Finding, Patrolled, ok, trouble, warning
from vault.strongholds.registry import StorageRegistry

LEAST_FREE_BYTES, LITTLE_FREE_BYTES = 500 * 10**6, 5 * 10**9
LEAST_INODES, FEW_INODES = 1_000, 20_000
SAVES_AHEAD = 3
"""Checkpoints for which there should be room."""
MAKE_ROOM = "`manage.py treasury dry-run` shows which checkpoints could go, `manage.py treasury apply` deletes them"


def look(patrolled: Patrolled) -> Iterator[Finding]:
    world = patrolled.world
    for what, folder in _volumes(world).items():
        yield from _volume(what, folder)
    yield from _next_save(world, world.heroes / patrolled.config.hero)
    yield from _ballast(world)


def _volumes(world: World) -> dict[str, Path]:
    """A folder on each volume, by its name in findings: `disk` is that of the world."""
    found = {os.stat(world.home).st_dev: ("disk", world.home)}
    folders = [(name, getattr(world, name)) for name in ("heroes", "battles", "queue", "logs", "backups")]
    with suppress(BadConfig):  # a matter of the configuration
        entries = StorageRegistry(world.home).list().items()
        folders += [(f"stronghold {name}", entry.folder) for name, entry in entries if entry.folder]
    for name, folder in folders:
        with suppress(OSError):  # one that is not mounted is told where copies are looked after
            found.setdefault(os.stat(folder).st_dev, (f"disk of {name}", folder))
    return dict(found.values())


def _volume(what: str, folder: Path) -> Iterator[Finding]:
    facts = os.statvfs(folder)
    if facts.f_flag & os.ST_RDONLY:
        yield trouble(what, "it is mounted read-only", f"`mount -o remount,rw {_mount(folder)}`", path=folder)
        return
    free = shutil.disk_usage(folder).free
    sentence = f"{free / 1e9:.1f} GB are free"
    if free < LEAST_FREE_BYTES:
        yield trouble(what, sentence, MAKE_ROOM, path=folder)
    elif free < LITTLE_FREE_BYTES:
        yield warning(what, sentence, MAKE_ROOM, path=folder)
    else:
        yield ok(what, sentence)
    if facts.f_files and facts.f_favail < FEW_INODES:
        find = f"`du --inodes -xd 3 {_mount(folder)} | sort -n | tail` shows where many small files lie"
        kind = trouble if facts.f_favail < LEAST_INODES else warning
        yield kind(what, f"{facts.f_favail} more files can be made on it", find, path=folder)
    try:
        durable.sync_folder(folder)
    except OSError as error:
        yield trouble(what, f"it does not sync: {error.strerror}", "`dmesg | tail` may say why", path=folder)


def _mount(folder: Path) -> Path:
    place = folder.resolve()
    while not os.path.ismount(place):
        place = place.parent
    return place


def _next_save(world: World, hero_folder: Path) -> Iterator[Finding]:
    """By the size of the newest checkpoint."""
    newest = next(iter(branches.line_folders(hero_folder)), None)
    if newest is None:
        return
    size = sum(path.stat().st_size for path in newest.rglob("*") if path.is_file())
    free = shutil.disk_usage(hero_folder).free
    sentence = f"a checkpoint takes {size / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free"
    if free < size:
        yield trouble("next checkpoint", sentence, MAKE_ROOM, path=hero_folder)
    elif free < SAVES_AHEAD * size:
        yield warning("next checkpoint", sentence, MAKE_ROOM, path=hero_folder)
    else:
        yield ok("next checkpoint", sentence)


def _ballast(world: World) -> Iterator[Finding]:
    """The daemon holds it; while a battle waits for room it is given up."""
    status = arena_status.read_status(world)
    path = world.status / FILE
    has_room = shutil.disk_usage(world.status).free > ROOM_FACTOR * SIZE_BYTES
    if status.alive and not (status.starts or status.waits or Ballast(path).held) and has_room:
        sentence = "the room that is held back for a full disk is not held"
        yield warning("ballast", sentence, "`manage.py weave --restart arena` holds it again", path=path)
