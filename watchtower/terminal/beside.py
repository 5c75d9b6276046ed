"""What stands beside the battle: the queue, the checkpoints, the machine."""

from __future__ import annotations

from dataclasses import dataclass

from arena.queue import files as queue
from realm.checkpoints import branches
from realm.machine import readings
from realm.machine.machine import Machine
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class Beside:
    waiting: int
    """Quests."""
    next_quests: tuple[str, ...]
    checkpoint: str | None
    """The hero's newest."""
    machine: Machine


def look(world: World, hero: str, *, shown: int = 3) -> Beside:
    """As it stands now, with the names of the first `shown` quests that wait."""
    waiting = queue.waiting()
    return Beside(
        waiting=waiting.count(),
        next_quests=tuple(quest.name for quest in waiting[:shown]),
        checkpoint=branches.tip(world.heroes / hero),
        machine=readings.read(world.home),
    )
