"""Snapshots of a live world: plain folders under `backups/`, which any tool can read and copy.

`<backups>/20261130-120000-daily/world/` is a world's home as it was, checkpoints hard-linked; `manifest.json` beside it
is written last, so what was interrupted is no snapshot.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from realm.disk import durable, full, locks
from realm.version import version
from realm.world import World
from vault import chronicle
from vault.archivist import database, manifest
from vault.archivist.copying import Copier, Former
from vault.archivist.gathering import Gathering
from vault.archivist.manifest import WORLD, SnapshotManifest
from vault.archivist.rules import Rules, read_rules
from vault.errors import NotFound, Refused, VaultError
from vault.strongholds.contract import Progress, unheard

log = logging.getLogger(__name__)

DAILY, BY_HAND = "daily", "manual"
RISKY_PREFIX = "before-"
"""Of the reason of a snapshot that was taken before something risky, such as `before-migration`."""
LOCK_FILE = "snapshot.lock"
_STRANGE = re.compile(r"[^a-z0-9]+")
_LONGEST_REASON = 40
_NAME = re.compile(r"\d{8}-\d{6}-[a-z0-9][a-z0-9-]{0,39}")


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    name: str
    path: Path
    reason: str
    by: str
    created_at: datetime | None
    """None where its manifest cannot be read."""
    holds: str
    """`world`, or `database` alone."""
    files: int
    size_bytes: int
    """Of these files; those of checkpoints are not counted."""
    checkpoints: int
    left_out: tuple[str, ...] = ()
    trouble: str = ""
    """Why it cannot be restored; empty of a sound one, as far as that is known without reading its files."""


def take(
    world: World,
    *,
    reason: str,
    by: str,
    with_secrets: bool = False,
    database_alone: bool = False,
    progress: Progress = unheard,
) -> Snapshot:
    """A new snapshot of `world`, whole on disk when this returns, while the realm runs or rests.

    `reason` becomes a word of its name; within one second the same one gives the same snapshot. With `database_alone`
    nothing but the database is taken. Raises Refused (no reason, too little room, a queue that never rests), Damaged.
    """
    word = _STRANGE.sub("-", reason.lower())[:_LONGEST_REASON].strip("-")
    if not word:
        raise Refused(f"{reason!r} is no reason: letters or digits are expected, since it becomes part of a name")
    rules = read_rules(settings.REALM.archivist)
    try:
        taken, is_new = _take(
            world, rules, word, by, with_secrets=with_secrets, alone=database_alone, progress=progress
        )
    except OSError as error:
        raise Refused(f"no snapshot: {full.sentence(world.backups) if full.is_full(error) else error}") from error
    if not is_new:
        return taken
    # Before a migration the rows of the chronicle may not fit the code: they follow the file at the next scan.
    note = chronicle.append if database_alone else chronicle.record
    facts: dict[str, Any] = {
        "name": taken.name,
        "reason": word,
        "bytes": taken.size_bytes,
        "checkpoints": taken.checkpoints,
    }
    try:
        note(world, "snapshot", by=by, **facts)
    except OSError as error:  # the snapshot is whole all the same
        log.error("%s is taken, and the vault's chronicle does not say it: %s", taken.name, error)
    return taken


def _take(
    world: World, rules: Rules, reason: str, by: str, *, with_secrets: bool, alone: bool, progress: Progress
) -> tuple[Snapshot, bool]:
    """And whether it was not there yet."""
    world.backups.mkdir(exist_ok=True)
    with locks.held(world.vault / LOCK_FILE):
        durable.sweep_temps(world.backups)
        moment = datetime.now().astimezone()
        final = world.backups / f"{moment:%Y%m%d-%H%M%S}-{reason}"
        if final.exists():
            return read_snapshot(final), False
        with durable.new_folder(final) as folder:
            said = SnapshotManifest(
                name=final.name,
                reason=reason,
                by=by,
                created_at=moment.isoformat(timespec="milliseconds"),
                world=str(world.home),
                hero=settings.REALM.hero,
                release=version(),
                holds="database" if alone else "world",
                with_secrets=with_secrets,
            )
            manifest.write(folder, _fill(world, folder, rules, said, progress))
    return read_snapshot(final), True


def list_snapshots(world: World) -> list[Snapshot]:
    """Newest first; one that is damaged or of another format is listed with why it cannot be restored."""
    return [read_snapshot(folder) for folder in reversed(_folders(world))]


def find(world: World, name: str, *, elsewhere: bool = False) -> Path:
    """The folder of a snapshot by its name; with `elsewhere` also by a path to it, of somebody who may read any file.

    Raises NotFound naming those there are.
    """
    folder = world.backups / name
    if _NAME.fullmatch(name) and folder.is_dir():
        return folder
    if elsewhere and "/" in name and (Path(name) / manifest.FILE).is_file():
        return Path(name)
    known = ", ".join(path.name for path in reversed(_folders(world))) or "there is none"
    raise NotFound(f"there is no snapshot {name!r}; known are: {known}")


def newest(world: World, *, reason: str | None = None) -> Snapshot | None:
    """The newest sound snapshot of a whole world, of that reason where one is named."""
    for folder in reversed(_folders(world)):
        if reason is None or folder.name.endswith(f"-{reason}"):
            found = read_snapshot(folder)
            if not found.trouble and found.holds == "world" and reason in (None, found.reason):
                return found
    return None


def read_snapshot(folder: Path) -> Snapshot:
    try:
        said = manifest.read(folder)
    except VaultError as error:
        return Snapshot(
            name=folder.name, path=folder, reason="", by="", created_at=None, holds="", files=0, size_bytes=0,
            checkpoints=0, trouble=str(error),
        )  # fmt: skip
    return Snapshot(
        name=folder.name,
        path=folder,
        reason=said.reason,
        by=said.by,
        created_at=datetime.fromisoformat(said.created_at),
        holds=said.holds,
        files=len(said.files),
        size_bytes=said.size_bytes,
        checkpoints=len(said.checkpoints),
        left_out=said.left_out,
    )


def _fill(world: World, folder: Path, rules: Rules, said: SnapshotManifest, progress: Progress) -> SnapshotManifest:
    """Copy what the manifest is to be of; with what is in `folder` now."""
    home, alone = folder / WORLD, said.holds == "database"
    home.mkdir()
    copier = Copier(home=world.home, target=home, former=_former(world), progress=progress)
    gathering = Gathering(world, copier, with_secrets=said.with_secrets)
    _check_room(world, rules, _database_bytes(world) if alone else gathering.bytes_to_copy())
    progress(0, "the database")
    copied = database.copy(world, home)
    copier.prove(copied)
    if not alone:
        gathering.all_but_the_database()
    return replace(
        said,
        database=copied,
        files=copier.proofs,
        checkpoints=gathering.checkpoints,
        links=manifest.make_links(home, gathering.links),
        left_out=tuple(copier.left_out),
    )


def _former(world: World) -> Former | None:
    found = newest(world)
    return Former(found.path, manifest.read(found.path)) if found else None


def _database_bytes(world: World) -> int:
    return world.database.stat().st_size if world.database.exists() else 0


def _check_room(world: World, rules: Rules, needed: int) -> None:
    free = shutil.disk_usage(world.backups).free
    if free < needed + rules.floor_bytes:
        raise Refused(
            f"no snapshot: it may need {needed:,} bytes, and {rules.floor_bytes:,} are to stay free "
            f"(archivist.floor_gb), but {world.backups} has {free:,}"
        )


def _folders(world: World) -> list[Path]:
    """Oldest first."""
    return sorted(_named(world.backups))


def _named(backups: Path) -> Iterator[Path]:
    if backups.is_dir():
        yield from (path for path in backups.iterdir() if _NAME.fullmatch(path.name) and path.is_dir())
