"""One Task Master a world, by a lock that the kernel frees however its process ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from realm.world import World

LOCK_FILE = "task_master.lock"


class AnotherMaster(Exception):
    """Another Task Master serves this world; the text names it."""


@contextmanager
def only_master(world: World) -> Iterator[None]:
    """Hold the world's Task Master lock; the kernel frees it however this process ends."""
    handle = os.open(world.control / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o644)
    with open(handle, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise AnotherMaster(f"the tasks of {world.home} are served by process {file.read().strip()}") from None
        file.write(str(os.getpid()))
        file.truncate()
        file.flush()
        yield


def master_alive(world: World) -> bool:
    """Whether some process holds the Task Master's lock; the kernel drops it however that process ends."""
    try:
        handle = os.open(world.control / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False
