from datetime import UTC, datetime

import pytest

from arena.models import Quest
from tavern.home.waiting import waiting_quests

pytestmark = pytest.mark.django_db


def add(name: str, priority: str, state: str = Quest.State.QUEUED) -> None:
    Quest.objects.create(
        name=name, sha256=name, priority=priority, state=state, file=f"{priority}/{name}", arrived_at=datetime.now(UTC)
    )


def test_next_are_high_before_low_and_first_come_first_served() -> None:
    for name, priority in (("a", "low"), ("b", "normal"), ("c", "high"), ("d", "normal"), ("e", "high")):
        add(name, priority)
    queue = waiting_quests()
    assert [quest.name for quest in queue.next] == ["c", "e", "b", "d"]
    assert [(lane.priority, lane.count) for lane in queue.lanes] == [("high", 2), ("normal", 2), ("low", 1)]
    assert queue.total == 5


def test_only_waiting_quests_are_counted() -> None:
    for state in Quest.State:
        add(state, "normal", state)
    queue = waiting_quests()
    assert (queue.total, [quest.name for quest in queue.next]) == (1, [Quest.State.QUEUED])
