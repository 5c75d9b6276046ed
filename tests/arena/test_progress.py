"""`on_progress`: each multiple of so many steps once, battle after battle, through what a resume does again."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from arena import progress, steps
from arena.facade import Arena
from arena.models import Battle
from arena.progress import Follower, Progress
from realm.config import RealmConfig
from realm.world import World
from tests.support.servers import wait_until
from tests.watchtower.factories import append_steps, make_battle, record

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOOK_SECONDS", 0.005)
    monkeypatch.setattr(progress, "DATABASE_SECONDS", 0.0)


def fight(world: World, first: int, last: int, battle: str = "b1", *, later: float = 0.0) -> None:
    append_steps(world, battle, [record(step, time=1e6 + later + step) for step in range(first, last + 1)])


def counts(told: Iterator[Progress], many: int) -> list[int]:
    return [next(told).count for _ in range(many)]


def test_each_multiple_once_from_now_on(world: World) -> None:
    make_battle(world)
    fight(world, 1, 25)
    told = Follower(world, 10).follow()
    fight(world, 26, 61)
    first = next(told)
    assert (first.count, first.step, first.total, first.quest) == (30, 30, 100, "quest-b1")
    assert first.loss == pytest.approx(sum(1 / step for step in range(21, 31)) / 10)
    assert (first.tokens_per_second, first.eta_secs) == (100.0, 70.0)
    assert counts(told, 3) == [40, 50, 60]


def test_what_is_done_again_is_told_again(world: World) -> None:
    make_battle(world)
    told = Follower(world, 10).follow()
    fight(world, 1, 30)
    assert counts(told, 3) == [10, 20, 30]
    with open(steps.path_of(world, "b1"), "r+b") as file:
        file.truncate(15 * steps.DTYPE.itemsize)
    fight(world, 16, 41, later=1000)
    assert counts(told, 3) == [20, 30, 40]


def test_the_end_of_one_battle_and_then_the_next(world: World) -> None:
    make_battle(world)
    told = Follower(world, 10).follow()
    fight(world, 1, 20)
    make_battle(world, "b2", state=Battle.State.TRAINING)
    fight(world, 1, 10, "b2")
    assert [(each.battle, each.count) for each in (next(told), next(told), next(told))] == [
        ("b1", 10), ("b1", 20), ("b2", 10),
    ]  # fmt: skip


def test_a_callback_that_fails_is_called_again_and_stop_ends_it(world: World, caplog: pytest.LogCaptureFixture) -> None:
    make_battle(world)
    called: list[int] = []

    def fails(told: Progress) -> None:
        called.append(told.count)
        raise RuntimeError("mine")

    threads = threading.active_count()
    with Arena(world, RealmConfig()).on_progress(fails, every=5) as following:
        fight(world, 1, 12)
        wait_until(lambda: len(called) == 2)
    assert called == [5, 10]
    assert "failed" in caplog.text
    assert repr(following) == "<Following: stopped>"
    assert threading.active_count() == threads
    with pytest.raises(ValueError, match="every: 0"):
        Arena(world, RealmConfig()).progress(every=0)
