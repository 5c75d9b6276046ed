"""One file of a copy that arrives: which chunks of it are there and right, and a writer that takes bytes. No Django."""

from __future__ import annotations

import hashlib
import os
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any

from realm.checkpoints.sidecar import CHUNK_BYTES, FileProof
from vault.assets.unwritable import Unwritable, in_words
from vault.errors import Damaged, Refused

_SYNC_BYTES = 32 * 2**20
_MOST_WAITING = 4
"""Chunks that were received and are not written yet."""


class DamagedChunk(Damaged):
    """Asked for again it may be right: the wire has changed it, or the copy that is sent is damaged."""


class Member:
    def __init__(self, file: Path, proof: FileProof, name: str, pools: tuple[ThreadPoolExecutor, ...]) -> None:
        self._file, self._proof, self._name, self._pools = file, proof, name, pools
        self._digests = proof.chunk_digests() if proof.size_bytes else ()
        self._right = bytearray(len(self._digests))
        self._tail = 0
        """Bytes at the end of the file that belong to a chunk that is not whole."""
        self._handle: int | None = None
        self._unsynced = 0
        self._syncing: Future[None] | None = None
        self._begin_whole()

    @property
    def bytes_done(self) -> int:
        return sum(self._span(index) for index, right in enumerate(self._right) if right) + self._tail

    def look(self) -> None:
        """Hash what is there."""
        try:
            handle = self._open(os.O_RDWR)
        except FileNotFoundError:
            return
        size = os.fstat(handle).st_size
        if size > self._proof.size_bytes:
            os.ftruncate(handle, self._proof.size_bytes)
        for index, digest in enumerate(self._digests):
            data = os.pread(handle, self._span(index), index * CHUNK_BYTES)
            if len(data) == self._span(index) and hashlib.sha256(data).hexdigest() == digest:
                self._right[index] = True
                self._hash_on(index * CHUNK_BYTES, data)
            elif len(data) < self._span(index):
                self._tail = len(data)
                break
        self.close()

    def gaps(self) -> Iterator[tuple[int, int]]:
        """From a byte on, to another one; neighbouring chunks are one gap."""
        index = 0
        while index < len(self._right):
            if self._right[index]:
                index += 1
                continue
            first = index
            while index < len(self._right) and not self._right[index]:
                index += 1
            start = first * CHUNK_BYTES
            has_tail = self._tail and first == self._tail_index()
            yield start + (self._tail if has_tail else 0), min(index * CHUNK_BYTES, self._proof.size_bytes)

    def writer(self, start: int) -> Writer:
        """Takes the bytes from `start` on, which is the start of one of the gaps. Raises Refused."""
        if start not in (gap_start for gap_start, _ in self.gaps()):
            raise Refused(f"{self._name}: nothing is missing from byte {start} on")
        return Writer(self, start)

    def prove(self) -> None:
        """Raises Damaged unless every byte is there and right, as chunks and as a whole."""
        if not all(self._right):
            raise Damaged(f"{self._name} is not whole")
        handle = self._open(os.O_RDWR | os.O_CREAT)
        if self._is_spoiled:
            self._begin_whole()
        while data := os.pread(handle, CHUNK_BYTES, self._hashed):
            self._hash_on(self._hashed, data)
        if self._hashed != self._proof.size_bytes or self._whole.hexdigest() != self._proof.sha256:
            self.forget()
            raise Damaged(f"{self._name} is not what its digest says, though each of its chunks is")
        os.fsync(handle)
        self.close()

    def forget(self) -> None:
        """Begin this file anew."""
        os.ftruncate(self._open(os.O_RDWR | os.O_CREAT), 0)
        self._right, self._tail = bytearray(len(self._digests)), 0
        self._begin_whole()

    def close(self) -> None:
        if self._syncing is not None:
            wait([self._syncing])
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def check_chunk(self, index: int) -> None:
        """Raises Refused for one beyond the end."""
        if index >= len(self._digests):
            raise Refused(f"{self._name} has {self._proof.size_bytes} bytes, and more came")

    def begin_chunk(self, index: int, spare: bytearray | None) -> tuple[bytearray, int]:
        """Room for a chunk, in `spare` if that fits, and how many bytes of it are there."""
        buffer = spare if spare is not None and len(spare) == self._span(index) else bytearray(self._span(index))
        if not self._tail or index != self._tail_index():
            return buffer, 0
        have = os.preadv(self._open(os.O_RDWR), [memoryview(buffer)[: self._tail]], index * CHUNK_BYTES)
        return buffer, have

    def take_chunk(self, index: int, buffer: bytearray) -> list[Future[Any]]:
        """Judge and write a whole chunk, in threads."""
        return [
            self._pools[0].submit(self._put, index, buffer),
            self._pools[1].submit(self._hash_on, index * CHUNK_BYTES, buffer),
        ]

    def keep_tail(self, index: int, have: memoryview) -> None:
        """The beginning of a chunk whose rest did not come, if it can stand at the end of the file."""
        handle, start = self._open(os.O_RDWR | os.O_CREAT), index * CHUNK_BYTES
        if os.fstat(handle).st_size <= start + len(have):
            with in_words(self._file.parent):
                _write_all(handle, have, start)
            self._tail = len(have)

    def _put(self, index: int, buffer: bytearray) -> None:
        handle, start = self._open(os.O_RDWR | os.O_CREAT), index * CHUNK_BYTES
        had_tail = bool(self._tail) and index == self._tail_index()
        if had_tail:
            self._tail = 0
        if hashlib.sha256(buffer).hexdigest() != self._digests[index]:
            if had_tail:
                os.ftruncate(handle, start)
            self._is_spoiled = True
            raise DamagedChunk(f"{self._name}: bytes {start} to {start + len(buffer)} are not what their digest says")
        with in_words(self._file.parent):
            _write_all(handle, memoryview(buffer), start)
        self._right[index] = True
        self._sync_early(handle, len(buffer))

    def _sync_early(self, handle: int, count: int) -> None:
        """So that little is left to wait for when the last byte has come."""
        self._unsynced += count
        if self._unsynced >= _SYNC_BYTES and (self._syncing is None or self._syncing.done()):
            self._unsynced = 0
            self._syncing = self._pools[2].submit(os.fdatasync, handle)

    def _hash_on(self, start: int, data: bytes | bytearray) -> None:
        if start == self._hashed:
            self._whole.update(data)
            self._hashed += len(data)

    def _begin_whole(self) -> None:
        self._whole, self._hashed = hashlib.sha256(), 0
        self._is_spoiled = False
        """Whether bytes were hashed that were not right."""

    def _tail_index(self) -> int:
        return (os.fstat(self._open(os.O_RDWR)).st_size - 1) // CHUNK_BYTES

    def _span(self, index: int) -> int:
        return min(CHUNK_BYTES, self._proof.size_bytes - index * CHUNK_BYTES)

    def _open(self, flags: int) -> int:
        if self._handle is None:
            if flags & os.O_CREAT:
                with in_words(self._file.parent):
                    self._file.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(self._file, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
        return self._handle


class Writer:
    """Bytes of one file in their order, from whatever pieces they come in."""

    def __init__(self, member: Member, start: int) -> None:
        self._member, self._at = member, start
        self._index = start // CHUNK_BYTES
        self._buffer, self._have = member.begin_chunk(self._index, None)
        self._waiting: deque[tuple[bytearray, list[Future[Any]]]] = deque()

    @property
    def room(self) -> memoryview:
        """Where the next bytes go; `filled` says how many came."""
        return memoryview(self._buffer)[self._have :]

    def filled(self, count: int) -> None:
        """Call `next_chunk` before there is to be room again."""
        self._have += count
        self._at += count
        if self._have == len(self._buffer):
            self._waiting.append((self._buffer, self._member.take_chunk(self._index, self._buffer)))
            self._index += 1
            self._buffer, self._have = bytearray(), 0

    def feed(self, piece: bytes) -> None:
        """Raises as `next_chunk`."""
        view = memoryview(piece)
        while view:
            self.next_chunk()
            room = self.room
            count = min(len(room), len(view))
            room[:count] = view[:count]
            self.filled(count)
            view = view[count:]

    def next_chunk(self) -> None:
        """Make room where there is none. Raises DamagedChunk, of an earlier chunk, Refused, Unwritable."""
        if not self._buffer:
            self._member.check_chunk(self._index)
            spare = self._taken() if len(self._waiting) >= _MOST_WAITING else None
            self._buffer, self._have = self._member.begin_chunk(self._index, spare)

    def end(self) -> None:
        """All that came is on its way to the disk, and judged. Raises as `next_chunk`."""
        wrong: BaseException | None = None
        while self._waiting:
            try:
                self._taken()
            except (Damaged, Unwritable, OSError) as error:
                wrong = wrong or error
        if self._buffer and self._have:
            self._member.keep_tail(self._index, memoryview(self._buffer)[: self._have])
        self._member.close()
        if wrong is not None:
            raise wrong

    def _taken(self) -> bytearray:
        """The oldest chunk's buffer, which nobody needs any more. Raises what became of the chunk."""
        buffer, work = self._waiting.popleft()
        wait(work)
        for each in work:
            each.result()
        return buffer


def _write_all(handle: int, data: memoryview, start: int) -> None:
    while data:
        written = os.pwrite(handle, data, start)
        data, start = data[written:], start + written
