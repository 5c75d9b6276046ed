"""Which files in the inbox are whole. A file that some process still has open for writing never is."""

from __future__ import annotations

import errno
import fcntl
import functools
import itertools
import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from arena.gate.report import RECIPE
from arena.queue import network_mounts
from arena.rows.lines import SUFFIXES, is_quest_name
from realm.disk.durable import TEMP_PREFIX
from realm.world import PRIORITIES

SETTLE_SECONDS = 0.1
"""A writer that closes and reopens a file at once is given this long."""
UNWATCHED_SETTLE_SECONDS = 2.0
"""The same where the file system grants no leases and an open writer cannot be seen."""
MOST_AT_ONCE = 1000
"""Files of one look: ten thousand must not keep the daemon from all else, and not be read again for each thousand."""
LONG_LOOK_SECONDS, LOOKING_SHARE = 0.2, 5
"""An inbox that took long to read is not read again for so many times as long: folders of ten thousand quests stay."""


@dataclass(frozen=True)
class Arrivals:
    whole: list[Path]
    unsettled: bool
    """Some file is not whole yet but may be in a moment."""


class Stillness:
    """What earlier looks found: for how long files have not changed, and files that are yet to be judged.

    By this machine's own clock: that of a file server may be any.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._since: dict[Path, tuple[tuple[int, int, int], float]] = {}
        self._backlog: deque[Path] = deque()
        self._not_before = 0.0

    def seconds(self, path: Path, facts: os.stat_result) -> float:
        """Since the first look at which the file was as it is now."""
        state, now = (facts.st_ino, facts.st_size, facts.st_mtime_ns), self._clock()
        known, since = self._since.get(path, (state, now))
        since = since if known == state else now
        self._since[path] = (state, since)
        return now - since

    def next_files(self, inbox: Path) -> Iterator[Path]:
        """Oldest first. The inbox is read again when the caller has taken all that was found in it before."""
        if not self._backlog and self._clock() >= self._not_before:
            begun = self._clock()
            self._backlog.extend(_oldest_first(inbox))
            took, found = self._clock() - begun, set(self._backlog)
            self._since = {path: seen for path, seen in self._since.items() if path in found}
            self._not_before = self._clock() + (LOOKING_SHARE * took if took > LONG_LOOK_SECONDS else 0)
        while self._backlog:
            yield self._backlog.popleft()


def look(inbox: Path, stillness: Stillness | None = None) -> Arrivals:
    """The first MOST_AT_ONCE whole quest files under `inbox`, subfolders included, oldest first.

    `stillness` remembers earlier looks; without one no file that another machine may be writing is whole.
    """
    stillness = stillness or Stillness()
    is_remote = functools.cache(network_mounts.is_remote)  # for one look: what is mounted may change
    whole: list[Path] = []
    unsettled = False
    for path in stillness.next_files(inbox):
        with suppress(FileNotFoundError):
            if _is_whole(path, path.lstat(), stillness, is_remote=is_remote):
                whole.append(path)
            else:
                unsettled = True
        if len(whole) == MOST_AT_ONCE:
            break
    return Arrivals(whole, unsettled)


def _oldest_first(inbox: Path) -> list[Path]:
    found: list[tuple[int, str, Path]] = []
    for path in _candidates(inbox):
        with suppress(FileNotFoundError):
            found.append((path.lstat().st_mtime_ns, path.name, path))
    return [path for *_, path in sorted(found)]


def priority_of(inbox: Path, path: Path) -> str:
    """What lies in `inbox/high/` or `inbox/low/` has that priority; all else is normal."""
    first, *deeper = path.relative_to(inbox).parts
    return first if deeper and first in PRIORITIES else "normal"


@dataclass(frozen=True)
class LeftLying:
    name: str
    """Relative to the inbox; what is no text in it is written as escapes."""
    why: str


def left_lying(inbox: Path, *, most: int = 50) -> list[LeftLying]:
    """Files that are not taken, or not yet, and why."""
    found = (LeftLying(_shown(path.relative_to(inbox)), why) for path, why in _not_taken(inbox))
    return list(itertools.islice(found, most))


def _not_taken(inbox: Path) -> Iterator[tuple[Path, str]]:
    for folder, _, names in os.walk(inbox):
        for path in (Path(folder) / name for name in sorted(names)):
            try:
                why = _why_not_taken(path)
            except FileNotFoundError:
                continue
            if why:
                yield path, why


def _why_not_taken(path: Path) -> str:
    if path.name.startswith(TEMP_PREFIX):
        return ""  # our own, on its way
    if path.name.startswith("."):
        return "its name begins with a dot, so it is hidden; rename it"
    if path.name.endswith(f".{RECIPE}"):
        quest = path.name.removesuffix(f".{RECIPE}")
        return f"it is the recipe of {quest}, which it must lie beside before that comes: drop {quest} here"
    if not is_quest_name(path.name):
        return f"its name does not end in {', '.join(SUFFIXES)}"
    path.lstat()
    if not os.access(path.parent, os.W_OK):
        return "its folder is not the arena's to change"
    # Whether some program still writes it only the daemon asks: the answer may cost a process its life (SIGIO).
    return "it is not whole yet: some program writes it, or it came just now"


def _shown(path: Path) -> str:
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def has_writer(path: Path) -> bool:
    """Whether a regular file is known to be open for writing. Sends SIGIO to this process if it is opened meanwhile."""
    facts = path.lstat()
    return stat.S_ISREG(facts.st_mode) and not network_mounts.is_remote(facts.st_dev) and _has_writer(path) is True


def _candidates(inbox: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(inbox):
        for name in names:
            if is_quest_name(name) and not name.startswith((TEMP_PREFIX, ".")):
                yield Path(folder) / name


def _is_whole(path: Path, facts: os.stat_result, stillness: Stillness, *, is_remote: Callable[[int], bool]) -> bool:
    if not stat.S_ISREG(facts.st_mode):
        return True  # a link or a pipe: the gatekeeper says what it thinks of it
    if is_remote(facts.st_dev):
        return stillness.seconds(path, facts) >= UNWATCHED_SETTLE_SECONDS
    age_seconds = time.time() - facts.st_mtime
    written = _has_writer(path)
    if written is None:
        return age_seconds >= UNWATCHED_SETTLE_SECONDS or age_seconds < 0
    return not written and (age_seconds >= SETTLE_SECONDS or age_seconds < 0)


def _has_writer(path: Path) -> bool | None:
    """Whether any process has the file open for writing; None where the kernel does not tell.

    A read lease is refused while there is a writer (fcntl(2), F_SETLEASE).
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except PermissionError:
        return None  # the gatekeeper will say that it cannot be read
    try:
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(handle, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    except OSError as error:
        return True if error.errno == errno.EAGAIN else None
    finally:
        os.close(handle)
    return False
