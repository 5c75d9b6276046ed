"""One Task Master a world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from realm.disk.locks import Taken, is_held, only_one
from realm.weaver import service_lock
from realm.world import World

LOCK_FILE = "task_master.lock"


class AnotherMaster(Exception):
    """Another Task Master serves this world; the text names it."""


@contextmanager
def only_master(world: World) -> Iterator[None]:
    """Hold the world's Task Master lock. Raises AnotherMaster."""
    try:
        with only_one(world.control / LOCK_FILE):
            yield
    except Taken as pid:
        raise AnotherMaster(f"the tasks of {world.home} are served by {service_lock.in_words(str(pid))}") from None


def master_alive(world: World) -> bool:
    """Whether some process holds the Task Master's lock."""
    return is_held(world.control / LOCK_FILE)
