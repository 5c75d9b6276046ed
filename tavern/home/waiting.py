"""What the Tavern shows of the queue."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count

from arena.models import Quest
from arena.queue import files as queue
from realm.world import PRIORITIES

SHOWN = 4


@dataclass(frozen=True)
class Lane:
    priority: str
    count: int


@dataclass(frozen=True)
class Queue:
    lanes: list[Lane]
    next: list[Quest]
    """The quests that are fought next, in that order."""

    @property
    def total(self) -> int:
        return sum(lane.count for lane in self.lanes)


def waiting_quests() -> Queue:
    waiting = queue.waiting()
    counts = dict(waiting.order_by().values_list("priority").annotate(Count("id")))
    return Queue(
        lanes=[Lane(priority, counts.get(priority, 0)) for priority in PRIORITIES],
        next=list(waiting[:SHOWN]),
    )
