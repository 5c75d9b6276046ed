"""Reading a service's log across rotations: its end, what came before, what comes next. It costs what is read.

A cursor names a line by its file's inode and its offset there, which a rename leaves as they are.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO, Self

from realm.disk.regular_files import UnfitFile, open_regular
from realm.logs.line import LogLine, parse
from realm.logs.sources import Source, source_of
from realm.world import World

BLOCK_BYTES = 64 * 1024
LONGEST_LINE = 128 * 1024
"""Of a longer one this much is shown."""
MOST_SCANNED_BYTES = 256 * 1024**2
"""In search of lines that match; then the reader is given where to go on."""
POLL_SECONDS = 0.25
_WORDS = re.compile(r"[a-z0-9]+")
_MARKS = {"warning": (b"warn", b"erro", b"crit"), "error": (b"erro", b"crit"), "critical": (b"crit",)}
"""One of these stands in every line that is at least so grave, whoever wrote it."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """Which lines: those that are as grave as `level` and hold `text`, in whatever case."""

    level: str = ""
    text: str = ""

    @cached_property
    def _word(self) -> bytes:
        """Of the text the longest word, whose letters JSON writes as they are."""
        return max(_WORDS.findall(self.text.lower()), key=len, default="").encode()

    def may_be(self, data: bytes) -> bool:
        """Whether a line of these bytes could fit; most of a long log is never parsed."""
        lower = data.lower()
        marks = _MARKS.get(self.level)
        return self._word in lower and (marks is None or any(mark in lower for mark in marks))

    def __call__(self, line: LogLine) -> bool:
        return (not self.level or line.is_at_least(self.level)) and (not self.text or line.has(self.text.lower()))


@dataclass(frozen=True)
class Page:
    lines: list[LogLine]
    """The oldest first."""
    older: str
    """Cursor for `before`, with which the page before this one is read; empty where there is none."""


def tail(
    world: World,
    service: str,
    *,
    level: str = "",
    text: str = "",
    since: str = "",
    before: str = "",
    limit: int = 100,
    console: bool = False,
) -> Page:
    """The newest lines that match, or the newest before the line of cursor `before`.

    `since` is ISO 8601 in UTC, to the millisecond, as lines have it. `console` reads what the service's console said
    in place of its JSON lines. Raises NoSuchLog, ValueError for a
    cursor that is none.
    """
    wanted = Wanted(level=level, text=text)
    source = source_of(world, service)
    found: list[LogLine] = []
    scanned, last = 0, ""
    for data, cursor in _backward(source, console=console, before=before):
        line = parse(data, cursor) if since or wanted.may_be(data) else None
        if line and since and line.time and line.time < since:
            return Page(found[::-1], "")
        if len(found) >= limit or scanned >= MOST_SCANNED_BYTES:
            return Page(found[::-1], last)
        if line and wanted(line):
            found.append(line)
        scanned, last = scanned + len(data) + 1, cursor
    return Page(found[::-1], "")


class Follower:
    """What a log says from a line on, each line once, whatever rotates meanwhile."""

    def __init__(
        self,
        world: World,
        service: str,
        *,
        after: str = "",
        level: str = "",
        text: str = "",
        console: bool = False,
    ) -> None:
        """`after` is the cursor of the last line that was read; without it, only what is written from now on.

        A line whose file is gone is as if it were the last of what came before all that is there. Raises NoSuchLog,
        ValueError for a cursor that is none.
        """
        self._source, self._console = source_of(world, service), console
        self._wanted = Wanted(level=level, text=text)
        inode, offset = _parse_cursor(after) if after else self._end()
        self._file: BinaryIO | None = None
        self._inode, self._offset, self._is_after_line = inode, offset, bool(after)

    def read(self, limit: int = 1000) -> list[LogLine]:
        """What was written since the last call, at most `limit` lines; it never waits. A half-written line does."""
        found: list[LogLine] = []
        while len(found) < limit:
            line = self._next()
            if line is None:
                break
            if self._wanted(line):
                found.append(line)
        return found

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def close(self) -> None:
        if self._file:
            self._file.close()
            self._file = None

    def _next(self) -> LogLine | None:
        while True:
            if self._file is None and not self._open():
                return None
            assert self._file is not None
            start = self._offset
            self._file.seek(start)
            data = self._file.readline(LONGEST_LINE)
            if data and not data.endswith(b"\n"):
                data += self._skip_rest(len(data))
            if data.endswith(b"\n"):
                self._offset = self._file.tell()
                if self._is_after_line:  # this one was read before
                    self._is_after_line = False
                    continue
                return parse(data.rstrip(b"\r\n"), _cursor(self._inode, start))
            if not self._go_on():
                return None

    def _skip_rest(self, read: int) -> bytes:
        """To the end of a line that is longer than may be; its newline, or nothing where it is not whole."""
        assert self._file is not None
        if read < LONGEST_LINE:
            return b""
        while rest := self._file.readline(LONGEST_LINE):
            if rest.endswith(b"\n"):
                return b"\n"
        return b""

    def _open(self) -> bool:
        """The file that it stands in; where that is gone, the oldest that is there. False while there is none."""
        files = _with_inodes(self._source, console=self._console)
        chosen = next((path for inode, path in files if inode == self._inode), None)
        if chosen is None:
            if not files:
                return False
            (self._inode, chosen), self._offset, self._is_after_line = files[0], 0, False
        with suppress(OSError, UnfitFile):
            self._file = open_regular(chosen)
        return self._file is not None

    def _go_on(self) -> bool:
        """Into the file that was begun after this one, whose end is reached."""
        files = _with_inodes(self._source, console=self._console)
        following = next((later for (inode, _), (later, _) in pairwise(files) if inode == self._inode), None)
        if following is None and files and all(inode != self._inode for inode, _ in files):
            following = files[0][0]
        if following is None:
            return self._was_cut()
        self.close()
        self._inode, self._offset, self._is_after_line = following, 0, False
        return True

    def _was_cut(self) -> bool:
        """A file that became shorter is read from its beginning again."""
        assert self._file is not None
        if os.fstat(self._file.fileno()).st_size >= self._offset:
            return False
        self._offset, self._is_after_line = 0, False
        return True

    def _end(self) -> tuple[int, int]:
        for inode, path in reversed(_with_inodes(self._source, console=self._console)):
            with suppress(OSError):
                return inode, path.stat().st_size
        return 0, 0


def follow(follower: Follower, *, wait: Callable[[float], object] = time.sleep) -> Generator[LogLine, None, None]:
    """Every line when it is written, without end; who stops closes the follower."""
    with follower:
        while True:
            if not (lines := follower.read()):
                wait(POLL_SECONDS)
            yield from lines


def _backward(source: Source, *, console: bool, before: str) -> Iterator[tuple[bytes, str]]:
    """Lines from the newest to the oldest, with their cursors."""
    files = _with_inodes(source, console=console)
    end: int | None = None
    if before:
        inode, end = _parse_cursor(before)
        places = [place for place, (one, _) in enumerate(files) if one == inode]
        files = files[: places[0] + 1] if places else []
    for inode, path in reversed(files):
        with suppress(OSError, UnfitFile), open_regular(path) as file:
            size = file.seek(0, os.SEEK_END)
            for start, data in _lines_backward(file, size if end is None else min(end, size)):
                yield data, _cursor(inode, start)
        end = None


def _lines_backward(file: BinaryIO, end: int) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of each line before `end`, the last first; one that is being written is no line yet."""
    position, rest, is_last = end, b"", True
    while position:
        size = min(BLOCK_BYTES, position)
        position -= size
        file.seek(position)
        first, *others = (file.read(size) + rest).split(b"\n")
        start = position + len(first) + 1
        starts = []
        for data in others:
            starts.append(start)
            start += len(data) + 1
        for begin, data in zip(reversed(starts), reversed(others), strict=True):
            if not is_last:
                yield begin, data[:LONGEST_LINE].rstrip(b"\r")
            is_last = False
        rest = first[:LONGEST_LINE]
    if rest and not is_last:
        yield 0, rest.rstrip(b"\r")


def _with_inodes(source: Source, *, console: bool) -> list[tuple[int, Path]]:
    found = []
    for path in source.files(console=console):
        with suppress(OSError):
            found.append((path.stat().st_ino, path))
    return found


def _cursor(inode: int, offset: int) -> str:
    return f"{inode}-{offset}"


def _parse_cursor(cursor: str) -> tuple[int, int]:
    inode, _, offset = cursor.partition("-")
    if not (inode.isdecimal() and offset.isdecimal() and len(cursor) <= 50):
        raise ValueError(f"{cursor[:60]!r} is no place in a log")
    return int(inode), int(offset)
