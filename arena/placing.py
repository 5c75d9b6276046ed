"""Moves the world's folder of battles, or that of checkpoints, to another disk such as a NAS, and back.

Every byte is read back there before the world's own folder becomes a link. Until then, and where the move is cut off,
`realm.placed_folders` says what to do; nothing is deleted.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from arena import status as arena_status
from arena.protocol import TRAINER_LOCK_FILE
from realm import placed_folders
from realm.checkpoints.sidecar import digest
from realm.disk import durable, locks, storage_check
from realm.placed_folders import Note
from realm.weaver import supervisord
from realm.world import World


class PlacingRefused(Exception):
    """One sentence for the player; nothing was changed."""


@dataclass(frozen=True, kw_only=True)
class Placed:
    """Where a folder lies now."""

    name: str
    folder: Path
    files: int
    size_bytes: int
    kept: Path | None
    """Where it lay before, untouched; None where there was nothing in it."""
    told: tuple[str, ...]
    """What is to be known of the disk, one sentence each."""


Progress = Callable[[int, str], None]


def place(world: World, name: str, parent: Path, *, progress: Progress = lambda done, path: None) -> Placed:
    """Move it into `parent`, a folder that is there, under its own name. Raises PlacingRefused, FolderGone, OSError."""
    with _stopped(world):
        return _place(world, name, parent, progress)


def _place(world: World, name: str, parent: Path, progress: Progress) -> Placed:
    # What must be so before anything is touched.
    folder, parent = placed_folders.folder_of(world, name), parent.expanduser().resolve()
    target = parent / name
    if placed_folders.note_of(world, name) or folder.is_symlink():
        raise PlacingRefused(f"{name} lie in {folder.resolve()} already; `place {name} --home` brings them back first")
    if not parent.is_dir():
        raise PlacingRefused(f"{parent} is not there: mount it, or make the folder, and place {name} again")
    if parent.is_relative_to(world.home.resolve()):
        raise PlacingRefused(f"{parent} lies in this world: name a folder outside it")
    if target.exists() or placed_folders.mark_path(target).exists():
        raise PlacingRefused(f"{target} is there already, maybe another world's: name another folder")
    told = _tried_out(parent)

    # Copied and proven there, marked as this world's; noted here, and only then the folder makes way for the link.
    count, size = _copy(folder, target, progress)
    note = Note(target=target, token=secrets.token_hex(16))
    durable.write_json(placed_folders.mark_path(target), {"token": note.token, "world": str(world.home)})
    durable.write_json(placed_folders.note_path(world, name), asdict(note) | {"target": str(target)})
    kept = _make_way(world, name, folder, empty=not count)
    folder.symlink_to(target)
    durable.sync_folder(folder.parent)
    return Placed(name=name, folder=target, files=count, size_bytes=size, kept=kept, told=tuple(told))


def bring_home(world: World, name: str, *, progress: Progress = lambda done, path: None) -> Placed:
    """Copy it back into the world; what lies elsewhere stays there. Raises as `place`."""
    with _stopped(world):
        return _bring_home(world, name, progress)


def _bring_home(world: World, name: str, progress: Progress) -> Placed:
    folder, note = placed_folders.folder_of(world, name), placed_folders.note_of(world, name)
    if note is None:
        raise PlacingRefused(f"{name} lie in {folder}, in this world")
    fresh = folder.with_name(f"{durable.TEMP_PREFIX}{folder.name}-{secrets.token_hex(4)}")
    count, size = _copy(note.target, fresh, progress)
    folder.unlink()
    durable.move(fresh, folder)
    placed_folders.note_path(world, name).unlink()
    durable.sync_folder(world.control)
    return Placed(name=name, folder=folder, files=count, size_bytes=size, kept=note.target, told=())


@contextmanager
def _stopped(world: World) -> Iterator[None]:
    """Nothing runs, and no daemon can begin to. Raises PlacingRefused where something does."""
    trains = any(locks.is_held(path) for path in world.heroes.glob(f"*/{TRAINER_LOCK_FILE}"))
    try:
        if supervisord.is_alive(world) or trains:
            raise locks.Taken
        with locks.only_one(world.control / arena_status.LOCK_FILE):
            yield
    except locks.Taken:
        raise PlacingRefused("this world is running: scripts/stop_all.sh first, then do it again") from None


def _tried_out(parent: Path) -> list[str]:
    try:
        return storage_check.try_out(parent)
    except storage_check.Unfit as why:
        raise PlacingRefused(f"{parent} cannot hold them: {why}") from None


def _copy(source: Path, target: Path, progress: Progress) -> tuple[int, int]:
    """Number and bytes of its files, each of which was read back."""
    files, done = list(_files(source)), 0
    _check_room(target.parent, sum(path.stat().st_size for path in files))
    with durable.new_folder(target) as fresh:
        for path in files:
            copied = fresh / path.relative_to(source)
            copied.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, copied)
            durable.sync_file(copied)
            if digest(copied) != digest(path):
                raise PlacingRefused(f"{copied} is not what was written there: the disk or the wire is at fault")
            done += copied.stat().st_size
            progress(done, str(path.relative_to(source)))
        for empty in (path for path in source.rglob("*") if path.is_dir()):
            (fresh / empty.relative_to(source)).mkdir(parents=True, exist_ok=True)
    return len(files), done


def _files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or not (path.is_file() or path.is_dir()):
            raise PlacingRefused(f"{path} is no file and no folder of its own: bring home what it leads to first")
        if path.is_file():
            yield path


def _check_room(parent: Path, needed: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < needed:
        raise PlacingRefused(f"{parent} has {free:,} bytes free, and {needed:,} are needed")


def _make_way(world: World, name: str, folder: Path, *, empty: bool) -> Path | None:
    """Where the world's own folder lies from now on."""
    try:
        if empty:
            shutil.rmtree(folder)
            return None
        kept = world.backups / f"{name}-before-{datetime.now():%Y%m%d-%H%M%S}"
        durable.move(folder, kept)
    except OSError:
        placed_folders.note_path(world, name).unlink()
        raise
    return kept
