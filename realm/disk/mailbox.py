"""Command files in a world's `control/`: left whole by whoever asks, obeyed and then deleted by one process alone.

Whatever else lies under such a name, be it cut off, a folder, a link, a pipe or a bomb, stops nobody.
"""

from __future__ import annotations

import errno
import heapq
import itertools
import os
import re
import stat
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import orjson

from realm import strict
from realm.disk import durable
from realm.world import World

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

C = TypeVar("C", bound="DataclassInstance")
LARGEST_BYTES = 64 * 1024
MOST_AT_ONCE = 1000
"""Files that are opened in one look: a flood must not keep the one who looks from all else."""
MOST_LISTED = 10_000
"""Files among which the oldest are sought; beyond that the order is the file system's."""
_LONGEST_NAME_BYTES = 200
"""Of what is set aside, before its ending; file systems take 255."""
_GIVEN_AT = re.compile(r"([0-9]{20})-")
OBEYED_SECONDS = 5.0
_LOOK_SECONDS = 0.05
_OF_THE_FILE = frozenset({errno.EACCES, errno.EPERM, errno.ELOOP, errno.EISDIR, errno.ENXIO})
"""Errors that say what kind of file it is. All others are the machine's, and pass."""


class Damaged(ValueError):
    """What lies there is not what the name promises; the text says why."""


def wait_until_obeyed(order: Path, seconds: float = OBEYED_SECONDS) -> bool:
    """Whether the command file is gone within so many seconds: whoever obeys one deletes it."""
    deadline = time.monotonic() + seconds
    while order.exists() and time.monotonic() < deadline:
        time.sleep(_LOOK_SECONDS)
    return not order.exists()


def read_json(path: Path, *, largest_bytes: int = LARGEST_BYTES) -> Any:
    """The value in a plain file of bounded size. Raises Damaged for all else that may lie there, OSError."""
    try:
        with open(path, "rb", buffering=0, opener=_open) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise Damaged("it is no plain file")
            data = file.read(largest_bytes + 1)
    except OSError as error:
        if error.errno in _OF_THE_FILE:
            raise Damaged(f"it is no plain file, or may not be read: {error.strerror}") from error
        raise
    if len(data) > largest_bytes:
        raise Damaged(f"it is longer than {largest_bytes:,} bytes")
    try:
        return orjson.loads(data)  # refuses NaN, half surrogates and deep nesting, which json lets through
    except ValueError as error:
        raise Damaged(f"it is no JSON: {error}") from None


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK)  # a pipe would be waited for


def set_aside(path: Path, why: str) -> str:
    """Rename what is damaged to a name that no mailbox takes; returns one sentence. Raises OSError."""
    cut = os.fsdecode(os.fsencode(path.name)[:_LONGEST_NAME_BYTES])
    aside = path.with_name(f"{cut}.damaged-{time.time_ns()}")
    durable.rename(path, aside)
    return f"{strict.shown(path.name)} in {path.parent.name}/ was damaged and is now {strict.shown(aside.name)}: {why}"


class Mailbox(Generic[C]):
    """Commands of one kind: files whose names end in `suffix`, and those of `plain`, whose names say it all."""

    def __init__(
        self,
        kind: type[C],
        suffix: str,
        *,
        plain: Mapping[str, C] | None = None,
        largest_bytes: int = LARGEST_BYTES,
    ) -> None:
        self._kind, self._suffix, self._plain, self._largest_bytes = kind, suffix, plain or {}, largest_bytes

    def leave(self, world: World, command: C, *, label: str = "") -> Path:
        """Its file, with `label` in the name for people. Raises OSError, and ValueError for one that is too long."""
        data = self._encoded(command)
        path = world.control / f"{time.time_ns():020d}-{os.getpid()}{label and f'-{label}'}{self._suffix}"
        durable.write_bytes(path, data)
        return path

    def leave_rest(self, path: Path, command: C) -> None:
        """In place of a command that was obeyed in part. Raises OSError."""
        durable.write_bytes(path, self._encoded(command))

    def _encoded(self, command: C) -> bytes:
        data = durable.encode_json(asdict(command))
        if len(data) > self._largest_bytes:
            raise ValueError(f"a command of {len(data):,} bytes is longer than {self._largest_bytes:,}")
        return data

    def waiting(self, world: World, *, on_damaged: Callable[[str], None] | None = None) -> Iterator[tuple[Path, C]]:
        """The oldest commands in the order of giving. What is damaged is passed over.

        Whoever obeys gives `on_damaged`: then it is set aside too, and the callback hears of it in one sentence.
        """
        for path in self._oldest(world.control):
            try:
                yield path, self._read(path)
            except Damaged as why:
                if on_damaged:
                    with suppress(OSError):  # gone, or not ours to rename: it is met again at the next look
                        on_damaged(set_aside(path, str(why)))
            except OSError:
                continue  # gone again, or not to be read just now

    def _oldest(self, folder: Path) -> list[Path]:
        try:
            with os.scandir(folder) as entries:
                mine = (entry for entry in entries if entry.name.endswith(self._suffix) or entry.name in self._plain)
                listed = ((_given_at(entry), entry.name) for entry in itertools.islice(mine, MOST_LISTED))
                return [folder / name for _, name in heapq.nsmallest(MOST_AT_ONCE, listed)]
        except FileNotFoundError:
            return []

    def _read(self, path: Path) -> C:
        if path.name in self._plain:
            if not stat.S_ISREG(path.lstat().st_mode):
                raise Damaged("it is no plain file")
            return self._plain[path.name]
        try:
            return strict.read(self._kind, read_json(path, largest_bytes=self._largest_bytes), source="it")
        except strict.BadConfig as error:
            raise Damaged(str(error)) from None


def _given_at(entry: os.DirEntry[str]) -> int:
    """In nanoseconds since 1970, by its name; by its time of change where the name says nothing."""
    if told := _GIVEN_AT.match(entry.name):
        return int(told[1])
    try:
        return entry.stat(follow_symlinks=False).st_mtime_ns
    except OSError:
        return 0
