"""What the ranks of one battle tell each other beside training: orders by rank 0, signs of life by the others.

Through the key-value store that their launcher has opened for them; training itself speaks through collectives.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from torch.distributed import DistNetworkError, DistStoreError, PrefixStore, Store, TCPStore  # type: ignore[attr-defined]

from arena.training.ranks import Ranks
from realm.world import World

POLL_SECONDS = 1.0
CONNECT_SECONDS = 30.0
SILENT_SECONDS = 20.0
"""After which a rank counts as lost, as a trainer does that is alone."""
FAR_SILENT_SECONDS = 45.0
"""After which one on another machine does: a network that is gone is found sooner, by `arena.training.machines`."""
LONGEST_LOOK_SECONDS = 5.0
"""At most this much of the time between two looks counts: who was itself stopped did not hear."""
LEAVE = ""


def _store() -> Store:
    """A connection of its own: a call that waits keeps every other one of its connection waiting."""
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    found = TCPStore(host, port, is_master=False, timeout=timedelta(seconds=CONNECT_SECONDS))
    return PrefixStore("realm/", found)


class OrdersOfMain:
    """The orders that rank 0 was given, one after the other, on every rank."""

    def __init__(self) -> None:
        self._store = _store()
        self._count = 0

    def hand_on(self, order: Path | None) -> None:
        """By rank 0; None is the last one: leave."""
        home = World.from_environment().home
        within = order.relative_to(home) if order and order.is_relative_to(home) else order
        self._store.set(self._key, LEAVE if within is None else str(within))
        self._count += 1

    def next(self, leaving: Callable[[], bool]) -> Path | None:
        """By the others: waits for the next one. None where there is none, or `leaving` says that nobody wants it."""
        while not leaving():
            try:
                self._store.wait([self._key], timedelta(seconds=POLL_SECONDS))
            except DistStoreError:  # not yet
                continue
            except DistNetworkError:  # who opened the store is gone, and whoever gives orders with it
                return None
            path = self._store.get(self._key).decode()
            self._count += 1
            # Another machine may have mounted the world elsewhere; an absolute path stays as it is.
            return None if path == LEAVE else World.from_environment().home / path
        return None

    @property
    def _key(self) -> str:
        return f"order/{self._count}"


class SignsOfLife:
    """Of each rank but the first, heard by the first. For a thread of its own: one that is stopped gives none."""

    def __init__(self, ranks: Ranks, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._store, self._ranks, self._clock = _store(), ranks, clock
        self._looked_at = clock()
        self._longest_silence = SILENT_SECONDS if ranks.on_one_machine else FAR_SILENT_SECONDS
        self._counts = dict.fromkeys(range(1, ranks.count), 0)
        self._silent_seconds = dict.fromkeys(self._counts, 0.0)

    def give(self) -> None:
        self._store.add(f"alive/{self._ranks.index}", 1)

    def lost(self) -> str:
        """Which rank has given none for too long, in words; empty while all do."""
        now = self._clock()
        passed, self._looked_at = min(now - self._looked_at, LONGEST_LOOK_SECONDS), now
        for rank, before in self._counts.items():
            self._counts[rank] = self._store.add(f"alive/{rank}", 0)
            moved = self._counts[rank] != before
            self._silent_seconds[rank] = 0.0 if moved else self._silent_seconds[rank] + passed
        for rank, silent in self._silent_seconds.items():
            if silent >= self._longest_silence:
                return f"rank {rank} of {self._ranks.count} has not answered for {silent:.0f} s"
        return ""
