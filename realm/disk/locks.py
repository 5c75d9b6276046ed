"""One process of a kind in a world, by a lock on a file that the kernel frees however that process ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

_TRIES, _PAUSE_SECONDS = 4, 0.03


class Taken(Exception):
    """Another process holds the lock; the text is its pid."""


@contextmanager
def only_one(path: Path) -> Iterator[None]:
    """Hold the lock on `path`, which then holds this process's pid. Raises Taken."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    with open(handle, "r+") as file:
        if not _lock(file):
            raise Taken(file.read().strip())
        # Over what stands there, then cut to length: a full disk has room for that.
        file.write(str(os.getpid()))
        file.truncate()
        file.flush()
        yield


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


def _lock(file: TextIO) -> bool:
    """Tries for a tenth of a second: whoever asks `is_held` holds the lock for an instant."""
    for _ in range(_TRIES):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_PAUSE_SECONDS)
    return False
