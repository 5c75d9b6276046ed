"""Locks on files, which the kernel frees however the process that holds one ends (flock(2)).

What a child shall go on holding is locked on a handle that the child inherits.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout, lock_descriptor

_TRIES, _PAUSE_SECONDS = 4, 0.03


class Taken(Exception):
    """Another process holds the lock; the text is its pid, if it is one that writes it down."""


@contextmanager
def held(path: Path, *, seconds: float = -1.0) -> Iterator[None]:
    """Hold the lock on `path`, after waiting for it as long as need be, or `seconds`. Raises Taken, OSError."""
    # Not of one thread: a context may be left by another than entered it. Never by a marker file: `is_held` and older
    # releases would not see it.
    lock = FileLock(
        path, timeout=seconds, mode=0o600, poll_interval=_PAUSE_SECONDS, thread_local=False, fallback_to_soft=False
    )
    try:
        lock.acquire()
    except Timeout:
        raise Taken(path.read_text(errors="replace").strip()) from None
    try:
        yield
    finally:
        lock.release()


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, which then holds this process's pid. Raises Taken at once, OSError."""
    with opened(path, mode=0o644) as handle:
        if not _lock_soon(handle):
            raise Taken(path.read_text(errors="replace").strip())
        _write_pid(handle)
        yield


def _lock_soon(handle: int) -> bool:
    """Tries for a tenth of a second: whoever asks `is_held` holds the lock for an instant."""
    for _ in range(_TRIES):
        if try_lock(handle):
            return True
        time.sleep(_PAUSE_SECONDS)
    return False


def _write_pid(handle: int) -> None:
    """Over what stands there, then cut to length: a full disk has room for that."""
    os.ftruncate(handle, os.pwrite(handle, str(os.getpid()).encode(), 0))


def is_held(path: Path) -> bool:
    """Whether some process holds the lock on `path`."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


@contextmanager
def opened(path: Path, *, mode: int = 0o600) -> Iterator[int]:
    """A handle to lock and to hand to a child, who then holds the lock for as long as it lives."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, mode)
    try:
        yield handle
    finally:
        os.close(handle)


def try_lock(handle: int) -> bool:
    """Whether the lock on an opened file is ours now."""
    return lock_descriptor(handle, blocking=False)


def share(handle: int) -> None:
    """Hold the lock on an opened file together with whoever shares it; one that is held alone is waited for."""
    fcntl.flock(handle, fcntl.LOCK_SH)
