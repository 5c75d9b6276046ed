"""Folders of the player's with files to train on, and the files in them. Nothing in such a folder is ever changed.

A file is named by its path within its folder, as `talks/monday.jsonl`. Links are not followed, so that no name leads
out of the folder.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from arena.rows.lines import is_quest_name
from realm import strict
from realm.disk import durable, locks
from realm.world import World

REGISTRY_FILE = "sources.json"
LOCK_FILE = "sources.lock"
BUILT_IN = ("inbox", "queue", "completed", "skills")
"""Sources that every world has; their names are taken."""
MOST_ENTRIES = 200_000
"""Files and folders that are looked through: a whole disk may be registered by mistake."""
LONGEST_NAME_BYTES = 4096
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")


class BadSource(ValueError):
    """One sentence for the player."""


@dataclass(frozen=True, kw_only=True)
class Registry:
    folders: dict[str, str] = field(default_factory=dict)
    """Absolute paths by name."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    name: str
    """Within the folder, parted by `/`."""
    name_on_disk: str
    """Its full path."""
    state: tuple[int, int, int]
    """Inode, size and time of change, as `arena.gate.messages.state_of` gives them."""

    @property
    def path(self) -> Path:
        return Path(self.name_on_disk)

    @property
    def size_bytes(self) -> int:
        return self.state[1]


@dataclass(frozen=True, kw_only=True)
class Files:
    """What lies in a folder."""

    found: tuple[SourceFile, ...] = ()
    """By name, folder by folder."""
    links: int = 0
    """Quest files and folders that are links; they are left out."""
    misnamed: int = 0
    """Quest files whose names are no UTF-8; they are left out."""
    unread: tuple[str, ...] = ()
    """Folders that may not be read."""
    whole: bool = True
    """False where there is more than MOST_ENTRIES."""

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.found)


def folders(world: World) -> dict[str, Path]:
    """The registered folders by name, those that are gone too. Raises BadSource for a registry that is damaged."""
    return {name: Path(folder) for name, folder in sorted(_read(world).folders.items())}


def folder_of(world: World, name: str) -> Path:
    """Raises BadSource for a name that is not registered."""
    known = folders(world)
    if name not in known:
        raise BadSource(f"There is no source {name!r}; registered are: {', '.join(known) or 'none'}.")
    return known[name]


def register(world: World, name: str, folder: str) -> Path:
    """The folder as it is kept: absolute, without links. Raises BadSource."""
    path = _checked_folder(world, folder)
    if not _NAME.fullmatch(name):
        raise BadSource(
            f"{name[:60]!r} cannot be a name: use up to 40 letters, digits, - and _, and begin with a letter or digit."
        )
    if name.lower() in BUILT_IN:
        raise BadSource(f"The name {name} is taken by the realm's own source; choose another.")
    with _changing(world) as known:
        if any(name.lower() == other.lower() for other in known):
            raise BadSource(f"There is a source {name} already; choose another name, or remove that one first.")
        if str(path) in known.values():
            other = next(other for other, taken in known.items() if taken == str(path))
            raise BadSource(f"{path} is registered already, as {other}.")
        known[name] = str(path)
    return path


def remove(world: World, name: str) -> Path:
    """Forget a folder; its files stay as they are. Raises BadSource."""
    with _changing(world) as known:
        if name not in known:
            raise BadSource(f"There is no source {name!r}; registered are: {', '.join(known) or 'none'}.")
        return Path(known.pop(name))


def _checked_folder(world: World, text: str) -> Path:
    if not text.strip() or "\0" in text:
        raise BadSource("Name the folder by its full path, such as /home/me/data.")
    given = Path(text.strip()).expanduser()
    if not given.is_absolute():
        raise BadSource(f"{text.strip()} is no full path; it must begin with /.")
    path = Path(os.path.realpath(given))
    try:
        str(path).encode()
        with os.scandir(path):
            pass
    except NotADirectoryError:
        raise BadSource(f"{path} is a file; register the folder that it lies in.") from None
    except FileNotFoundError:
        raise BadSource(f"{path} does not exist on this machine.") from None
    except UnicodeEncodeError:
        raise BadSource("The folder's path is no UTF-8; rename the folder.") from None
    except OSError as error:
        raise BadSource(f"{path} cannot be read: {error.strerror}.") from None
    if path.is_relative_to(os.path.realpath(world.home)):
        raise BadSource(f"{path} is part of this world, whose files are listed as inbox, queue and completed.")
    return path


def _read(world: World) -> Registry:
    path = world.home / REGISTRY_FILE
    try:
        return strict.read(Registry, json.loads(path.read_bytes()), source=str(path))
    except FileNotFoundError:
        return Registry()
    except (OSError, ValueError, RecursionError) as error:
        raise BadSource(f"The list of folders cannot be read: {error}. Mend or delete {path}.") from error


@contextmanager
def _changing(world: World) -> Iterator[dict[str, str]]:
    """The registry's folders, to be changed; web and command line take turns. Nothing is written on an error."""
    with locks.held(world.control / LOCK_FILE):
        known = dict(_read(world).folders)
        yield known
        durable.write_json(world.home / REGISTRY_FILE, asdict(Registry(folders=known)))


def is_there(folder: Path) -> bool:
    try:
        return stat.S_ISDIR(folder.stat().st_mode)
    except OSError:
        return False


def files_in(folder: Path, *, without: Path | None = None) -> Files:
    """Quest files in `folder` and below; hidden ones, links, and the folder `without`, are left out.

    Regular files only: nothing is opened. A folder that is gone has no files.
    """
    walk = _Walk(folder, without)
    walk.look(folder, "")
    return Files(
        found=tuple(walk.found), links=walk.links, misnamed=walk.misnamed, unread=tuple(walk.unread),
        whole=walk.room >= 0,
    )  # fmt: skip


class _Walk:
    def __init__(self, folder: Path, without: Path | None) -> None:
        self._without = os.path.realpath(without) if without else None
        self.found: list[SourceFile] = []
        self.unread: list[str] = []
        self.links = self.misnamed = 0
        self.room = MOST_ENTRIES

    def look(self, folder: Path, inside: str) -> None:
        try:
            with os.scandir(folder) as entries:
                listed = sorted(self._limited(entries), key=lambda entry: entry.name)
        except OSError:
            self.unread.append(inside or ".")
            return
        below = [self._take(entry, inside) for entry in listed]
        for entry in filter(None, below):
            if self.room >= 0:
                self.look(Path(entry.path), f"{inside}{entry.name}/")

    def _limited(self, entries: Iterator[os.DirEntry[str]]) -> Iterator[os.DirEntry[str]]:
        for entry in entries:
            self.room -= 1
            if self.room < 0:
                return
            if not entry.name.startswith("."):
                yield entry

    def _take(self, entry: os.DirEntry[str], inside: str) -> os.DirEntry[str] | None:
        """Note a file; a folder to look into is handed back."""
        if entry.is_symlink():
            self.links += is_quest_name(entry.name) or entry.is_dir()
        elif entry.is_dir(follow_symlinks=False):
            return entry if entry.path != self._without else None
        elif is_quest_name(entry.name) and entry.is_file(follow_symlinks=False):
            self._note(entry, inside + entry.name)
        return None

    def _note(self, entry: os.DirEntry[str], name: str) -> None:
        try:
            name.encode()
            found = entry.stat(follow_symlinks=False)
        except UnicodeEncodeError:
            self.misnamed += 1
        except OSError:
            return  # gone since it was listed
        else:
            self.found.append(SourceFile(name, entry.path, (found.st_ino, found.st_size, found.st_mtime_ns)))


def find(folder: Path, name: str) -> SourceFile:
    """The quest file of that name. Raises BadSource for whatever is no regular file within the folder."""
    parts = name.split("/")
    if not is_quest_name(name) or not _can_be(name):
        raise BadSource(f"{name[:80]!r} is no quest file's name.")
    if any(part == "" or part.startswith(".") for part in parts):  # "..", an absolute path, a hidden file
        raise BadSource(f"{name[:80]!r} does not lie in this folder.")
    path = folder
    try:
        for part in parts[:-1]:
            path /= part
            if not stat.S_ISDIR(path.lstat().st_mode):
                raise BadSource(f"{name} does not lie in this folder: {part} is a link or no folder.")
        path /= parts[-1]
        facts = path.lstat()
    except OSError:
        raise BadSource(f"{name[:80]} is not there any more.") from None
    if not stat.S_ISREG(facts.st_mode):
        raise BadSource(f"{name} is no plain file: links, pipes and devices are not opened.")
    return SourceFile(name, str(path), (facts.st_ino, facts.st_size, facts.st_mtime_ns))


def _can_be(name: str) -> bool:
    try:
        return "\0" not in name and len(name.encode()) <= LONGEST_NAME_BYTES
    except UnicodeEncodeError:
        return False
