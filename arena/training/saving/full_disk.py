"""Waiting for room on a full disk, instead of losing what was to be written."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
MARGIN_BYTES = 4 * 1024 * 1024
"""What stays free beside a checkpoint, so that events, the queue and the database can still be written."""
LOOK_SECONDS = 0.5


class Left(Exception):
    """The process was asked to leave while the disk was full; nothing was announced that is not there."""


class Room:
    """Runs what writes, again and again until the disk takes it. One for a battle; any thread may use it.

    `tell` hears what is waited for, and the empty text when that is over; `leaving` says that waiting has no more use.
    """

    def __init__(self, tell: Callable[[str], None], leaving: Callable[[], bool]) -> None:
        self._tell = tell
        self._leaving = leaving
        self._lock = threading.Lock()
        self._waiting = 0

    @property
    def waiting(self) -> bool:
        return self._waiting > 0

    def write(self, action: Callable[[], T], *, where: Path, needed_bytes: int = 0) -> T:
        """What `action` returns. It must leave nothing behind when it fails for want of space.

        With `needed_bytes` it is not even tried before there is that much room. Raises Left, or what `action` raises
        for any other reason.
        """
        waits = False
        try:
            while True:
                if not needed_bytes or free_bytes(where) >= needed_bytes + MARGIN_BYTES:
                    try:
                        return action()
                    except OSError as error:
                        if error.errno not in FULL:
                            raise
                if self._leaving():
                    raise Left(f"left while {volume_of(where)} was full")
                if not waits:
                    waits = True
                    self._begin_waiting(where, needed_bytes)
                threading.Event().wait(LOOK_SECONDS)
        finally:
            if waits:
                self._end_waiting()

    def _begin_waiting(self, where: Path, needed_bytes: int) -> None:
        with self._lock:
            self._waiting += 1
            self._tell(
                f"{volume_of(where)} is full: {_megabytes(max(needed_bytes, 1) + MARGIN_BYTES)} are needed to go on, "
                f"{_megabytes(free_bytes(where))} are free; the hero waits and goes on by itself"
            )

    def _end_waiting(self) -> None:
        """A small write that fits ends its own waiting only: another thread's checkpoint may still need room."""
        with self._lock:
            self._waiting -= 1
            if not self._waiting:
                self._tell("")


def free_bytes(path: Path) -> int:
    """Bytes that this user may still write on the volume of `path`."""
    status = os.statvfs(path)
    return status.f_bavail * status.f_frsize


def volume_of(path: Path) -> Path:
    """The mount point that `path` lies under."""
    resolved = path.resolve()
    return next(folder for folder in (resolved, *resolved.parents) if os.path.ismount(folder))


def _megabytes(size_bytes: int) -> str:
    return f"{size_bytes / 1e6:.1f} MB"
