"""Quest files as lines of bytes: plain, gzip or Zstandard, one line in memory at a time, within limits.

Lines end at newline bytes only. Whatever is wrong with a file as a whole raises UnreadableQuest with one sentence
that says what it is and what to do.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import BinaryIO, NamedTuple

from arena.rows import file_types
from arena.rows.decompress import BLOCK_BYTES, inflated
from arena.rows.limits import LIMITS, Limits
from arena.rows.model import Kind, UnreadableQuest

SUFFIXES = (".jsonl", ".jsonl.gz", ".jsonl.zst")
_METHODS = {".jsonl": None, ".jsonl.gz": "gzip", ".jsonl.zst": "Zstandard"}
_SUFFIX_OF = {method: suffix for suffix, method in _METHODS.items()}
_BOM = b"\xef\xbb\xbf"
_SKIPPED_LINES = 64
"""A line over the limit is skipped; one that goes on for this many times the limit gives the whole file up."""


class Line(NamedTuple):
    number: int
    """Counted from 1, as an editor does."""
    offset: int
    """Of the first byte of `data`, in the decompressed content."""
    data: bytes | None
    """Without its newline; None: longer than the limit, skipped unread."""


def suffix_of(name: str) -> str | None:
    """The one of SUFFIXES that `name` ends with, in whatever case; None for any other file."""
    lowered = name.lower()
    return next((suffix for suffix in SUFFIXES if lowered.endswith(suffix)), None)


def is_quest_name(name: str) -> bool:
    return suffix_of(name) is not None


def stem_of(name: str) -> str:
    """The quest's name: the file's without its suffix."""
    return name[: -len(suffix_of(name) or "") or None]


@contextmanager
def open_quest(path: Path, limits: Limits = LIMITS, *, hashed: bool = True) -> Iterator[Reader]:
    """The lines of `path`. Raises UnreadableQuest, here or while they are read."""
    with _open_regular(path) as file:
        yield Reader(path, file, limits, hashed=hashed)


def content_digest(path: Path, limits: Limits = LIMITS) -> str:
    """SHA-256 of the decompressed content, which for a plain file is the file's own. Raises UnreadableQuest."""
    digest = hashlib.sha256()
    with _open_regular(path) as file:
        for block in _content(path, file, limits):
            digest.update(block)
    return digest.hexdigest()


class Reader:
    """Iterate once; `sha256` and `size_bytes` describe the whole content after the last line."""

    def __init__(self, path: Path, file: BinaryIO, limits: Limits, *, hashed: bool) -> None:
        self._path, self._file, self._limits = path, file, limits
        self._digest = hashlib.sha256() if hashed else None
        self.size_bytes = 0
        """Decompressed bytes read so far."""

    @property
    def sha256(self) -> str:
        """Of the decompressed content read so far."""
        if self._digest is None:
            raise TypeError("the quest was opened without a digest")
        return self._digest.hexdigest()

    def __iter__(self) -> Iterator[Line]:
        """Lines in order, empty ones left out."""
        limit = self._limits.largest_line_bytes
        held, number, offset = _Held(self._path.name, limit), 1, 0
        for block in self._blocks():
            if block.isspace() and not held.size:  # a file of millions of blank lines
                number, offset = number + block.count(b"\n"), offset + block.rfind(b"\n") + 1
                held.begin(block[block.rfind(b"\n") + 1 :])
                continue
            pieces = block.split(b"\n")
            held.add(pieces[0], number)
            if len(pieces) == 1:
                continue
            if held.size:
                yield _line(number, offset, held.take())
            number, offset = number + 1, offset + held.size + 1
            for piece in pieces[1:-1]:
                if piece:
                    yield Line(number, offset, piece if len(piece) <= limit else None)
                number, offset = number + 1, offset + len(piece) + 1
            held.begin(pieces[-1])
        if held.size:
            yield _line(number, offset, held.take())

    def _blocks(self) -> Iterator[bytes]:
        for block in _content(self._path, self._file, self._limits):
            self.size_bytes += len(block)
            if self._digest:
                self._digest.update(block)
            yield block


class _Held:
    """The line that is being read: its bytes while it is within the limit, its size in any case."""

    def __init__(self, name: str, limit: int) -> None:
        self._name, self._limit = name, limit
        self._pieces: list[bytes] = []
        self.size = 0

    def begin(self, piece: bytes) -> None:
        self._pieces = [piece]
        self.size = len(piece)

    def add(self, piece: bytes, number: int) -> None:
        self.size += len(piece)
        if self.size <= self._limit:
            self._pieces.append(piece)
        else:
            self._pieces.clear()
            if piece and piece.count(0) == len(piece) and len(piece) == BLOCK_BYTES:
                raise UnreadableQuest(
                    f"{shown(self._name)} holds nothing but zero bytes from line {number} on; copy it again",
                    Kind.NOT_JSONL,
                )
            if self.size > _SKIPPED_LINES * self._limit:
                raise UnreadableQuest(
                    f"line {number} of {shown(self._name)} goes on for more than "
                    f"{_SKIPPED_LINES * self._limit // 1024**2} MiB without an end; write one JSON object a line",
                    Kind.TOO_LONG_LINE,
                )

    def take(self) -> bytes | None:
        return b"".join(self._pieces) if self.size <= self._limit else None


def _line(number: int, offset: int, data: bytes | None) -> Line:
    if number == 1 and data is not None and data.startswith(_BOM):
        return Line(1, len(_BOM), data[len(_BOM) :])
    return Line(number, offset, data)


def shown(name: str) -> str:
    """A file's name as any text may quote it: names on Linux need not be UTF-8."""
    return name.encode("utf-8", "backslashreplace").decode()


def _open_regular(path: Path) -> BinaryIO:
    name = shown(path.name)
    try:
        # O_NONBLOCK: opening a pipe that nobody writes to would wait for ever.
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError as error:
        if path.is_symlink():
            raise UnreadableQuest(f"{name} is a link; copy the file itself into its place", Kind.NOT_A_FILE) from error
        raise UnreadableQuest(f"{name} cannot be opened: {error.strerror}") from error
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise UnreadableQuest(f"{name} is not a regular file; quests are plain files", Kind.NOT_A_FILE)
    return open(handle, "rb", buffering=0)


def _content(path: Path, file: BinaryIO, limits: Limits) -> Iterator[bytes]:
    """The decompressed content in blocks; the limits hold, and it begins as JSONL may begin."""
    name, size = shown(path.name), 0
    size_before = os.fstat(file.fileno()).st_size
    for block in _checked_head(_inflated(path, file, limits), name):
        size += len(block)
        if size > limits.largest_bytes:
            raise UnreadableQuest(
                f"{name} holds more than {limits.largest_bytes / 1e9:g} GB; split it into smaller quests",
                Kind.TOO_LARGE,
            )
        yield block
    if file.tell() != size_before:
        raise UnreadableQuest(
            f"{name} changed its size while it was read; write it under another name and rename it when it is whole",
            Kind.CHANGED,
        )


def _inflated(path: Path, file: BinaryIO, limits: Limits) -> Iterator[bytes]:
    name, suffix = shown(path.name), suffix_of(path.name) or SUFFIXES[0]
    head = file.read(file_types.HEAD_BYTES)
    file.seek(0)
    method = file_types.compression(head)
    if head and method != _METHODS[suffix]:
        _refuse_foreign(head, name)
        is_what = f"compressed with {method}" if method else f"not compressed with {_METHODS[suffix]}"
        raise UnreadableQuest(
            f"{name} is {is_what}, its name says otherwise; rename it to end in {_SUFFIX_OF[method]}",
            Kind.COMPRESSION,
        )
    if method:
        yield from inflated(file, method, name, largest_ratio=limits.largest_ratio)
    else:
        while block := file.read(BLOCK_BYTES):
            yield block


def _checked_head(blocks: Iterator[bytes], name: str) -> Iterator[bytes]:
    head = b""
    for block in blocks:
        head += block
        if len(head) >= file_types.HEAD_BYTES:
            break
    _refuse_foreign(head, name)
    if inner := file_types.compression(head):
        raise UnreadableQuest(f"{name} is compressed twice, inside with {inner}; unpack it once", Kind.COMPRESSION)
    yield from chain([head] if head else [], blocks)


def _refuse_foreign(head: bytes, name: str) -> None:
    if found := file_types.foreign(head):
        what, remedy = found
        raise UnreadableQuest(f"{name} is {what}; {remedy}", Kind.NOT_JSONL)
