"""One at a time: whoever deletes, thins, marks or brings back checkpoints of a world."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from realm.disk import locks
from realm.disk.locks import Taken
from realm.world import World
from vault.errors import Refused

FILE = "treasury.lock"
WAIT_SECONDS = 60.0
"""Renames are quick; who waits longer is told who holds it."""


@contextmanager
def locked(world: World, *, seconds: float = WAIT_SECONDS) -> Iterator[None]:
    """Hold the world's treasury. Raises Refused where another process does for too long."""
    world.vault.mkdir(parents=True, exist_ok=True)
    try:
        with locks.held(world.vault / FILE, seconds=seconds):
            yield
    except Taken:
        raise Refused("another process deletes or thins checkpoints of this world now; try again") from None
