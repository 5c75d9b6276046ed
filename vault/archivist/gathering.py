"""What of a live world goes into a snapshot, and in which order, so that the copy is a world that could have been
killed at some instant: what starts in it goes on as after `kill -9`, and no process has to be stopped for it.

1. The database, an index. All else is newer, so recovery takes in again what the copied rows do not know.
2. Names of the battles. One that begins later is left out with its checkpoints: its quest still waits in the copy.
3. Orders, settings and data, then the queue until two looks at it agree: where an order was obeyed meanwhile it is
   obeyed again, which changes nothing; a file that moves is neither lost nor there twice.
4. How long each battle's events are, then the checkpoints. What was announced by then is there.
5. The battles: their events up to the first that announces a checkpoint which is not, and steps, which may run ahead.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.disk.durable import TEMP_PREFIX
from realm.world import PRIORITIES, World
from vault.archivist.copying import Copier, Cut
from vault.assets.manifest import is_safe_path
from vault.errors import Refused

EVENTS_FILE, STEP_FILES = "events.jsonl", ("steps.bin", "worst_rows.bin")
CHECKPOINT_SAVED = "checkpoint_saved"
_LEFT_OUT = frozenset({"backups", "bridges", "exports", "logs", "status", "uploads", "vault/fetched", "vault/locks"})
"""Folders of a world that no snapshot holds, beside hidden ones as the trash: what passes, or lies elsewhere too."""
_PASSING = re.compile(r".*\.(lock|sock|pid)|\.nfs.*|weaver\.conf")
_LOOKS = 200
"""At a queue that never rests for as long as it takes to list it."""


class Gathering:
    def __init__(self, world: World, copier: Copier, *, with_secrets: bool) -> None:
        self._world, self.copier, self._with_secrets = world, copier, with_secrets
        self.checkpoints: dict[str, str] = {}
        """SHA-256 of each one's sidecar, by its path."""
        self.links: dict[str, str] = {}

    def all_but_the_database(self) -> None:
        """Raises Refused, OSError."""
        battles = _names(self._world.battles)
        self._take_below("control")
        self._take_rest()
        self._take_queue()
        self._take_heroes_files()
        announced = {name: _size(self._world.battles / name / EVENTS_FILE) for name in battles}
        self._take_checkpoints()
        for name in battles:
            self._take_battle(name, announced[name])
        self._leave_out_battles(set(_names(self._world.battles)) - set(battles))
        self._leave_out_set_aside()

    def bytes_to_copy(self) -> int:
        """At most, checkpoints and what the last snapshot has left out."""
        former, bytes_ = self.copier.former, 0
        is_linked = self._world.heroes.stat().st_dev == self.copier.target.stat().st_dev
        for path in self._files(self._world.home, but_checkpoints=is_linked):
            with suppress(FileNotFoundError):
                found = (self._world.home / path).lstat()
                bytes_ += 0 if former and former.same(path, found) else found.st_size
        return bytes_

    def _take_rest(self) -> None:
        """Folders that no other step takes, files at the top, and models that are no hero."""
        done = {"control", "battles", "queue", "inbox", "secrets", *_LEFT_OUT}
        for entry in _entries(self._world.home):
            if entry.name in done or entry.name.startswith(self._world.database.name):
                continue
            if entry.is_dir(follow_symlinks=False):
                self._take_below(entry.name)
            else:
                self._take(entry.name)
        if self._with_secrets:
            (self.copier.target / "secrets").mkdir(mode=0o700)
            self._take_below("secrets")
        if self._world.current_model.is_symlink():
            target = os.readlink(self._world.current_model)
            if is_safe_path(target):
                self.links[self._below(self._world.current_model)] = target

    def _take_below(self, folder: str) -> None:
        for path in self._files(self._world.home / folder, but_heroes=True):
            if path == self._below(self._world.current_model):
                continue
            is_model = path.startswith(f"{self._below(self._world.models)}/")
            self._take(path, links=is_model, cut=Cut(at_newline=True) if _is_chronicle(path) else None)

    def _take_queue(self) -> None:
        """Inbox and queue, again and again where something was moved, until they are as they were at the last look."""
        taken: dict[str, tuple[int, int, int]] = {}
        for _ in range(_LOOKS):
            found = dict(self._queue_files())
            if found == taken and self._leave_out_unfinished(taken):
                return
            for path in taken.keys() - found.keys():
                self.copier.forget(path)
            for path, what in found.items():
                if taken.get(path) != what:
                    self._take(path)
            taken = found
        raise Refused("no snapshot: the queue changes faster than it can be copied; try again later")

    def _queue_files(self) -> Iterator[tuple[str, tuple[int, int, int]]]:
        lanes = (self._world.lane(priority) for priority in PRIORITIES)
        places = (self._world.inbox, *lanes, self._world.processing, self._world.recently_completed, self._world.failed)
        for path in chain(*(self._files(folder) for folder in places), self._files(self._world.queue, deep=False)):
            with suppress(FileNotFoundError):
                found = (self._world.home / path).lstat()
                # A file that somebody writes into the inbox may grow for hours; nobody waits for its end.
                grows = path.startswith(f"{self._below(self._world.inbox)}/")
                yield path, (found.st_ino, 0 if grows else found.st_size, 0 if grows else found.st_mtime_ns)

    def _leave_out_unfinished(self, taken: dict[str, tuple[int, int, int]]) -> bool:
        """Of a quest that is still written, a part would be trained on as if it were all. False: look again."""
        for path in [path for path in taken if path.startswith(f"{self._below(self._world.inbox)}/")]:
            try:
                size = (self._world.home / path).lstat().st_size
            except FileNotFoundError:
                return False
            proof = self.copier.proofs.get(path)
            if proof and size != proof.size_bytes:
                self.copier.forget(path)
                self.copier.left_out.append(f"{path} was still being written")
                del taken[path]
        return True

    def _take_heroes_files(self) -> None:
        """Branches, champions, marks: what lies beside a hero's checkpoints."""
        for hero in self._heroes():
            for entry in _entries(hero):
                if entry.is_file(follow_symlinks=False):
                    self._take(self._below(Path(entry.path)))

    def _take_checkpoints(self) -> None:
        for hero in self._heroes():
            for name in [name for name in _names(hero) if step_of(name) is not None]:
                path = self._below(hero / name)
                if why := self._take_checkpoint(path) and self._take_checkpoint(path):
                    self.copier.left_out.append(f"{hero.name}/{why}")

    def _take_checkpoint(self, path: str) -> str:
        """Why it is not in the snapshot; empty where it is, or is gone. Names and sizes are checked, bytes are not."""
        copied = self.copier.target / path
        self.copier.forget(path)
        try:
            self.copier.take_checkpoint(path)
            for name in sidecar.left_behind(sidecar.verify(copied, quick=True)):
                (copied / name).unlink(missing_ok=True)
            self.checkpoints[path] = sidecar.digest(copied / sidecar.SIDECAR)
        except (FileNotFoundError, DamagedCheckpoint) as error:
            self.copier.forget(path)
            return str(error) if (self._world.home / path).exists() else ""
        return ""

    def _take_battle(self, name: str, announced_bytes: int) -> None:
        """Events first: what they tell of was written before them."""
        folder = f"{self._below(self._world.battles)}/{name}"
        events = f"{folder}/{EVENTS_FILE}"
        self._take(events, cut=Cut(most_bytes=self._consistent_bytes(events, announced_bytes), at_newline=True))
        for path in self._files(self._world.home / folder):
            if path != events:
                self._take(path, cut=Cut() if path.rpartition("/")[2] in STEP_FILES else None)

    def _consistent_bytes(self, events: str, announced_bytes: int) -> int:
        """How much of a battle's events goes with the checkpoints that were taken."""
        taken = {path.rpartition("/")[2] for path in self.checkpoints}
        try:
            with open(self._world.home / events, "rb") as file:
                file.seek(announced_bytes)
                end = announced_bytes
                for line in file:
                    if not line.endswith(b"\n") or _saved_name(line) not in {None, *taken}:
                        break
                    end += len(line)
        except FileNotFoundError:
            return 0
        return end

    def _leave_out_battles(self, begun: set[str]) -> None:
        """Checkpoints of battles whose quests still wait in the copy."""
        for path in list(self.checkpoints) if begun else ():
            if sidecar.read(self.copier.target / path).battle in begun:
                self._forget_checkpoint(path)

    def _leave_out_set_aside(self) -> None:
        """A trainer that went back set them aside, as its events say by now; others that are gone made room."""
        for path in list(self.checkpoints):
            if not (self._world.home / path).exists():
                self._forget_checkpoint(path)

    def _forget_checkpoint(self, path: str) -> None:
        self.copier.forget(path)
        del self.checkpoints[path]

    def _take(self, path: str, *, links: bool = False, cut: Cut | None = None) -> None:
        if is_safe_path(path):
            self.copier.take(path, links=links, cut=cut)
        else:
            self.copier.left_out.append(f"{path!r} has a name that not every file system knows")

    def _heroes(self) -> list[Path]:
        return [self._world.heroes / name for name in _names(self._world.heroes) if name not in _LEFT_OUT]

    def _files(
        self, folder: Path, *, deep: bool = True, but_heroes: bool = False, but_checkpoints: bool = False
    ) -> Iterator[str]:
        """Paths below the home of what is no folder, and lies in none that is left out."""
        for entry in _entries(folder):
            path = self._below(Path(entry.path))
            is_passed = but_heroes and Path(entry.path) == self._world.heroes  # be it a link to another disk
            if not is_passed and not entry.is_dir(follow_symlinks=False):
                yield path
                continue
            is_passed |= but_checkpoints and step_of(entry.name) is not None
            if deep and not is_passed and path not in _LEFT_OUT and not entry.name.startswith("."):
                yield from self._files(Path(entry.path), but_heroes=but_heroes, but_checkpoints=but_checkpoints)

    def _below(self, path: Path) -> str:
        return path.relative_to(self._world.home).as_posix()


def _saved_name(line: bytes) -> str | None:
    """The checkpoint that an event announces; None where it announces none."""
    try:
        event = json.loads(line)
        return str(event["data"]["name"]) if event["kind"] == CHECKPOINT_SAVED else None
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _is_chronicle(path: str) -> bool:
    return path.startswith("vault/") and path.endswith(".jsonl")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _names(folder: Path) -> list[str]:
    """Of folders, temporary ones left out."""
    found = (entry.name for entry in _entries(folder) if entry.is_dir(follow_symlinks=False))
    return sorted(name for name in found if not name.startswith("."))


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    """What is there to stay, by name."""
    try:
        found = [entry for entry in os.scandir(folder) if not entry.name.startswith(TEMP_PREFIX)]
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted((entry for entry in found if not _PASSING.fullmatch(entry.name)), key=lambda entry: entry.name)
