"""Deleted checkpoints lie in `.trash/<entry>/` of their hero's folder until it is emptied: one rename there and back.

`entry.json` beside them says when, by whom and why. Nobody takes what lies there for a checkpoint.
"""

from __future__ import annotations

import functools
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from realm import strict
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders, step_of
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.config import RealmConfig
from realm.disk import durable
from realm.disk.durable import TEMP_PREFIX
from realm.disk.regular_files import UnfitFile, read_regular
from realm.world import World
from vault import chronicle, index
from vault.assets.ids import checkpoint_id
from vault.errors import NotFound, Refused
from vault.ledger import summary
from vault.models import Checkpoint
from vault.treasury import safety
from vault.treasury.lock import locked

FOLDER = ".trash"
FILE = "entry.json"
LARGEST_BYTES = 2**20
_SETTLED_NS = 2_000_000_000
"""More than the grain of any file system's times."""
_ID = re.compile(r"\d{8}-\d{6}-[0-9a-f]{6}")


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What was deleted at once."""

    entry: str
    """Its id, by which it is undone."""
    hero: str
    at: str
    """ISO 8601 with offset."""
    by: str
    why: str = ""
    checkpoints: dict[str, int] = field(default_factory=dict)
    """Bytes by name, of what lies there now."""

    @property
    def moment(self) -> datetime:
        return datetime.fromisoformat(self.at)

    @property
    def size_bytes(self) -> int:
        return sum(self.checkpoints.values())


@dataclass(frozen=True, kw_only=True)
class Deleted:
    entry: str
    """By which it is undone."""
    hero: str
    names: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, kw_only=True)
class Undone:
    hero: str
    names: tuple[str, ...]
    damaged: tuple[str, ...] = ()
    """One sentence each: it is back, and not listed."""


@dataclass(frozen=True, kw_only=True)
class Emptied:
    entries: tuple[str, ...]
    size_bytes: int


def delete(
    world: World, hero: str, names: Iterable[str], *, by: str, why: str = "", config: RealmConfig | None = None
) -> Deleted:
    """Take checkpoints away, all or none; until the trash is emptied `undo` brings them back.

    Raises NotFound for a name that is none, and Refused with the reasons where one of them must stay, or where a host
    lives and does not say what it has loaded.
    """
    names = list(dict.fromkeys(names))
    check_deletable(world, hero, names, loaded=())
    loaded = safety.loaded_by_hosts(world, config)
    with locked(world):
        check_deletable(world, hero, names, loaded=loaded)
        deleted = put_away(world, hero, names, by=by, why=why)
    tell_deleted(world, hero, deleted.names, by=by, why=why, entry=deleted.entry)
    return deleted


def check_deletable(world: World, hero: str, names: Collection[str], *, loaded: Collection[str]) -> None:
    """Raises NotFound or Refused, as `delete` does."""
    if not names:
        raise NotFound("no checkpoint is named")
    for name in names:
        folder = world.heroes / hero / name
        if step_of(name) is None or folder.is_symlink() or not folder.is_dir():
            raise NotFound(f"{hero} has no checkpoint {strict.shown(name)} here")
    keep = safety.reasons_to_keep(world, hero, loaded=loaded, leaving=names)
    refused = [f"{name} stays: {'; '.join(keep[name])}" for name in names if name in keep]
    if refused:
        raise Refused("nothing is deleted: " + ". ".join(refused))


def put_away(world: World, hero: str, names: Iterable[str], *, by: str, why: str) -> Deleted:
    """Move folders into a new entry; the caller holds the treasury and has asked why they would stay.

    One that was set aside since, by a trainer that went back, is passed over.
    """
    folder, moment = world.heroes / hero, datetime.now().astimezone()
    sizes = {name: size_of(folder / name) for name in names}
    entry = Entry(
        entry=f"{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}",
        hero=hero,
        at=moment.isoformat(timespec="seconds"),
        by=by,
        why=why,
        checkpoints=sizes,
    )
    place = _trash_of(folder) / entry.entry
    with durable.new_folder(place) as fresh:
        durable.write_json(fresh / FILE, asdict(entry))
    moved = [name for name in sizes if _move(folder / name, place / name)]
    durable.sync_folder(place)
    durable.sync_folder(folder)
    _unlist(world, hero, moved)
    return Deleted(entry=entry.entry, hero=hero, names=tuple(moved), size_bytes=sum(sizes[name] for name in moved))


def destroy(world: World, hero: str, names: Iterable[str]) -> list[str]:
    """Delete for good at once, where there is no room for a trash; conditions as `put_away`. Names of what went.

    Renamed first, so that a kill half-way leaves no half checkpoint under its name; the sweep takes the rest.
    """
    gone = []
    for name in names:
        folder = world.heroes / hero / name
        doomed = folder.with_name(f"{TEMP_PREFIX}doomed-{name}-{secrets.token_hex(4)}")
        if _move(folder, doomed):
            durable.sync_folder(folder.parent)
            shutil.rmtree(doomed)
            gone.append(name)
    _unlist(world, hero, gone)
    return gone


def _unlist(world: World, hero: str, names: list[str]) -> None:
    if names:
        Checkpoint.objects.filter(hero=hero, name__in=names).delete()
        summary.write_summary(world)


def _move(source: Path, target: Path) -> bool:
    try:
        os.rename(source, target)
    except FileNotFoundError:
        return False
    return True


def _trash_of(hero_folder: Path) -> Path:
    trash = hero_folder / FOLDER
    if trash.is_symlink():
        raise Refused(f"{trash} is a link: nothing is deleted into what lies elsewhere")
    trash.mkdir(exist_ok=True)
    return trash


def undo(world: World, entry: str, *, by: str) -> Undone:
    """Put back what was deleted at once, under its names.

    Raises NotFound for an entry that is not there, and Refused where a name was given anew since, or what an adapter
    sits on is not there.
    """
    place = _place_of(world, entry)
    hero_folder = place.parent.parent
    with locked(world):
        folders = checkpoint_folders(place) if place.is_dir() else []
        if not folders:
            raise NotFound(f"there is nothing to put back in {entry}: it was emptied or undone meanwhile")
        _check_free(hero_folder, folders)
        _check_bases(hero_folder, folders)
        for folder in folders:
            durable.rename(folder, hero_folder / folder.name)
        durable.sync_folder(hero_folder)
        shutil.rmtree(place)
        names = tuple(folder.name for folder in folders)
        damaged = index.index_checkpoints(world, hero_folder.name, names)
    for name in names:
        chronicle.record_done(world, "undo", by=by, asset_id=checkpoint_id(hero_folder.name, name), entry=entry)
    return Undone(hero=hero_folder.name, names=names, damaged=tuple(map(str, damaged.values())))


def _place_of(world: World, entry: str) -> Path:
    """An id from outside becomes a path only where it looks like one and is there."""
    if _ID.fullmatch(entry):
        for hero_folder in _hero_folders(world):
            place = hero_folder / FOLDER / entry
            if place.is_dir() and not place.is_symlink():
                return place
    raise NotFound(f"the trash holds no entry {strict.shown(entry)}; `manage.py treasury trash` lists them")


def _check_free(hero_folder: Path, folders: list[Path]) -> None:
    for folder in folders:
        if os.path.lexists(hero_folder / folder.name):
            raise Refused(
                f"{hero_folder.name} has another checkpoint {folder.name} by now: delete that one first, then undo"
            )


def _check_bases(hero_folder: Path, folders: list[Path]) -> None:
    back = {folder.name for folder in folders}
    for folder in folders:
        try:
            base = sidecar.read(folder).adapter_base
        except (DamagedCheckpoint, OSError):
            continue
        if base and base not in back and not (hero_folder / base / SIDECAR).exists():
            raise Refused(f"{folder.name} is an adapter on {base}, which is not there: undo its deletion first")


def list_trash(world: World) -> list[Entry]:
    """What can be put back, newest first."""
    entries = [found for folder in _hero_folders(world) for found in _entries(folder)]
    return sorted(entries, key=lambda one: one.entry, reverse=True)


def _hero_folders(world: World) -> list[Path]:
    return sorted(path for path in world.heroes.iterdir() if path.is_dir()) if world.heroes.is_dir() else []


def _entries(hero_folder: Path) -> list[Entry]:
    trash = hero_folder / FOLDER
    if trash.is_symlink() or not trash.is_dir():
        return []
    places = [path for path in trash.iterdir() if _ID.fullmatch(path.name) and not path.is_symlink()]
    return [found for place in places if (found := _entry_of(place)).checkpoints]


def _entry_of(place: Path) -> Entry:
    """What lies there; it is read once, since each making of room asks for all of hundreds several times."""
    mark = _mark(place)
    return _read_entry(place) if mark is None else _read_once(place, mark)


def _mark(place: Path) -> tuple[int, ...] | None:
    """Another one after each change; None where the next change may bear the time of the last."""
    try:
        folder, file = place.stat(), (place / FILE).lstat()
    except OSError:
        return None
    if abs(time.time_ns() - max(folder.st_ctime_ns, file.st_ctime_ns)) < _SETTLED_NS:
        return None
    return folder.st_ino, folder.st_ctime_ns, file.st_ino, file.st_ctime_ns


@functools.lru_cache(maxsize=2048)
def _read_once(place: Path, mark: tuple[int, ...]) -> Entry:
    return _read_entry(place)


def _read_entry(place: Path) -> Entry:
    """As the file says it, of what lies there; a damaged one is made up for."""
    try:
        value = json.loads(read_regular(place / FILE, most_bytes=LARGEST_BYTES))
        said = strict.read(Entry, value, source=str(place / FILE))
        at, by, why, sizes = said.at, said.by, said.why, said.checkpoints
    except (UnfitFile, OSError, ValueError, RecursionError):
        when = datetime.strptime(place.name[:15], "%Y%m%d-%H%M%S").astimezone()
        at, by, why, sizes = when.isoformat(), "", "", {}
    there = _checkpoints_in(place)
    known = {name: sizes[name] if name in sizes else size_of(place / name) for name in there}
    return Entry(entry=place.name, hero=place.parent.parent.name, at=at, by=by, why=why, checkpoints=known)


def _checkpoints_in(place: Path) -> list[str]:
    """Names; none where it is emptied or undone meanwhile."""
    try:
        return [folder.name for folder in checkpoint_folders(place)]
    except FileNotFoundError:
        return []


def size_of(folder: Path) -> int:
    """Bytes of its files; 0 where it has gone."""
    found = 0
    for path in folder.rglob("*"):
        try:
            info = path.lstat()
        except FileNotFoundError:
            continue
        found += info.st_size if not path.is_dir() or path.is_symlink() else 0
    return found


def empty(world: World, *, by: str, entries: Collection[str] | None = None) -> Emptied:
    """Delete for good what lies in the trash, or those `entries` of it; what is not there any more is passed over."""
    with locked(world):
        found = [one for one in list_trash(world) if entries is None or one.entry in entries]
        for one in found:
            _drop(world.heroes / one.hero / FOLDER / one.entry)
        if entries is None:
            _sweep(world)
    if found:
        size = sum(one.size_bytes for one in found)
        chronicle.record_done(world, "empty", by=by, entries=[one.entry for one in found], bytes=size)
    return Emptied(entries=tuple(one.entry for one in found), size_bytes=sum(one.size_bytes for one in found))


def _drop(place: Path) -> None:
    doomed = place.with_name(f"{TEMP_PREFIX}doomed-{place.name}")
    os.rename(place, doomed)
    durable.sync_folder(place.parent)
    shutil.rmtree(doomed)


def _sweep(world: World) -> None:
    """What a killed emptier left, and entries of which nothing was put in, or all was taken out."""
    for hero_folder in _hero_folders(world):
        trash = hero_folder / FOLDER
        if trash.is_dir() and not trash.is_symlink():
            durable.sweep_temps(trash)
            for place in trash.iterdir():
                if _ID.fullmatch(place.name) and place.is_dir() and not checkpoint_folders(place):
                    shutil.rmtree(place)


def tell_deleted(world: World, hero: str, names: Iterable[str], *, by: str, why: str, entry: str = "") -> None:
    """Into the vault's chronicle; without an entry they are gone for good."""
    for name in names:
        chronicle.record_done(world, "delete", by=by, asset_id=checkpoint_id(hero, name), why=why, entry=entry)
