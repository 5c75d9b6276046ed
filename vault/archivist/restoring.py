"""A snapshot is held against its digests, and becomes a new world: whole, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
import time
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from realm import strict
from realm.disk import durable, full
from realm.disk.regular_files import read_regular
from realm.world import World
from vault import chronicle
from vault.archivist import database, manifest
from vault.archivist.manifest import WORLD, Expected, SnapshotManifest
from vault.errors import Damaged, Refused
from vault.strongholds.contract import Progress, unheard

ORIGIN_FILE = "restored.json"
"""In the home of a restored world: where it came from."""
_PIECE_BYTES = 2**20


@dataclass(frozen=True, kw_only=True)
class Verified:
    name: str
    files: int
    """Those of checkpoints, too."""
    bytes: int
    checkpoints: int
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Restored:
    home: Path
    snapshot: str
    world: str
    """The home that it was taken of."""
    taken_at: str
    files: int
    bytes: int
    checkpoints: int
    database_dump: str = ""
    """A dump that pg_restore has yet to take in; empty where the database is whole as it is."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    snapshot: str
    taken_at: str
    """ISO 8601 with offset."""
    restored_at: str
    world: str
    """The home that it was taken of."""


def verify(folder: Path, *, progress: Progress = unheard) -> Verified:
    """Read every byte of a snapshot. Raises Damaged naming the file, Refused for another format, NotFound, OSError."""
    begun = time.monotonic()
    said, expected = _look_at(folder)
    done = 0
    for path, wanted in expected.items():
        size, sha256 = _read(folder / WORLD / path)
        _check(path, wanted, size, sha256)
        done += size
        progress(done, path)
    _check_database(folder / WORLD, said)
    return Verified(
        name=folder.name,
        files=len(expected),
        bytes=done,
        checkpoints=len(said.checkpoints),
        seconds=time.monotonic() - begun,
    )


def restore(folder: Path, home: Path, *, by: str, progress: Progress = unheard) -> Restored:
    """A new world at `home`, which must be absent or an empty folder; the snapshot stays as it is.

    Every byte is held against its digest on its way. Raises Refused, Damaged naming the file, NotFound; then there is
    nothing at `home`.
    """
    try:
        return _restore(folder, home, by=by, progress=progress)
    except OSError as error:
        raise Refused(f"nothing was restored: {full.sentence(home) if full.is_full(error) else error}") from error


def _restore(folder: Path, home: Path, *, by: str, progress: Progress) -> Restored:
    said, expected = _look_at(folder)
    if said.holds != "world":
        raise Refused(
            f"{folder.name} holds the database alone: while nothing runs, copy {folder / WORLD / said.database} "
            "over the world's own"
        )
    home = _fit_home(folder, home)
    _check_room(home, sum(wanted.size_bytes or 0 for wanted in expected.values()))
    was_there = home.exists()
    if was_there:
        home.rmdir()
    try:
        with durable.new_folder(home) as fresh:
            done = _copy_all(folder / WORLD, fresh, expected, progress)
            _check_database(fresh, said)
            manifest.make_links(fresh, said.links)
            _settle(World(fresh), said, by=by)
    except BaseException:
        if was_there:
            home.mkdir(exist_ok=True)
        raise
    return Restored(
        home=home,
        snapshot=said.name,
        world=said.world,
        taken_at=said.created_at,
        files=len(expected),
        bytes=done,
        checkpoints=len(said.checkpoints),
        database_dump=said.database if said.database == database.DUMP_FILE else "",
    )


def read_origin(world: World) -> Origin | None:
    """Where a restored world came from; None of any other."""
    try:
        value = json.loads(read_regular(world.home / ORIGIN_FILE, most_bytes=2**20))
        return strict.read(Origin, value, source=ORIGIN_FILE)
    except (OSError, ValueError, RecursionError):
        return None


def _look_at(folder: Path) -> tuple[SnapshotManifest, dict[str, Expected]]:
    """What it says, and that its tree is so, sizes with it."""
    said = manifest.read(folder)
    expected = manifest.expected_files(folder, said)
    manifest.check_tree(folder, said, expected)
    return said, expected


def _fit_home(folder: Path, home: Path) -> Path:
    home = home.expanduser().absolute()
    if home.is_symlink() or (home.exists() and not home.is_dir()):
        raise Refused(f"{home} is no folder: a world is restored into a new or an empty one")
    if home.is_dir() and any(home.iterdir()):
        raise Refused(f"{home} is not empty: a world is restored into a new folder, never over what is there")
    if home.resolve().is_relative_to(folder.resolve().parent):
        raise Refused(f"{home} lies among the snapshots: a world is restored elsewhere")
    home.parent.mkdir(parents=True, exist_ok=True)
    return home


def _check_room(home: Path, needed: int) -> None:
    free = shutil.disk_usage(home.parent).free
    if free < needed:
        raise Refused(f"{home.parent} has {free:,} bytes free, and the snapshot needs {needed:,}")


def _copy_all(source: Path, fresh: Path, expected: dict[str, Expected], progress: Progress) -> int:
    done = 0
    for path, wanted in expected.items():
        target = fresh / path
        target.parent.mkdir(parents=True, exist_ok=True)
        size, sha256 = _read(source / path, target)
        _check(path, wanted, size, sha256)
        done += size
        progress(done, path)
    return done


def _read(path: Path, target: Path | None = None) -> tuple[int, str]:
    """Size and SHA-256 of a file, which is copied to `target` on the way."""
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file, open(target or "/dev/null", "wb") as copied:
        while piece := file.read(_PIECE_BYTES):
            copied.write(piece)
            digest.update(piece)
            size += len(piece)
    if target:
        shutil.copystat(path, target)
        target.chmod(stat.S_IMODE(path.stat().st_mode) & 0o777)
    return size, digest.hexdigest()


def _check(path: str, wanted: Expected, size: int, sha256: str) -> None:
    if sha256 != wanted.sha256 or wanted.size_bytes not in (None, size):
        raise Damaged(f"{path} has changed since the snapshot was taken (SHA-256 differs)")


def _check_database(home: Path, said: SnapshotManifest) -> None:
    if said.database and said.database != database.DUMP_FILE:
        database.check(home / said.database)


def _settle(fresh: World, said: SnapshotManifest, *, by: str) -> None:
    """Before it gets its name: the folders that every world has, and where it came from."""
    fresh.create()
    fresh.secrets.chmod(0o700)
    now = datetime.now().astimezone().isoformat(timespec="milliseconds")
    origin = Origin(snapshot=said.name, taken_at=said.created_at, restored_at=now, world=said.world)
    durable.write_json(fresh.home / ORIGIN_FILE, asdict(origin))
    chronicle.append(fresh, "restore", by=by, name=said.name, taken_at=said.created_at, taken_of=said.world)
