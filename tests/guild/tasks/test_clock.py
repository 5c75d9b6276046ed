"""A clock that is set while tasks and runs are on their way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta

import psutil
import pytest
from django.utils import timezone

from guild.models import Run
from guild.tasks import children
from guild.tasks import master as master_module
from guild.tasks.master import TaskMaster
from guild.work import runs
from realm.world import World
from tests.support.task_master import LONG, Clock, a_master, a_task

pytestmark = [pytest.mark.django_db, pytest.mark.slow]

DAY, HOUR = 86_400.0, 3_600.0


class SetForward:
    """psutil's times of creation as they are after the clock was set: they move with it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._real, self._patch = psutil.Process.create_time, monkeypatch

    def by(self, seconds: float) -> None:
        real = self._real
        self._patch.setattr(psutil.Process, "create_time", lambda process: real(process) + seconds)


@pytest.fixture
def clock_set(monkeypatch: pytest.MonkeyPatch) -> SetForward:
    return SetForward(monkeypatch)


@pytest.fixture
def running(world: World) -> Iterator[tuple[TaskMaster, Clock, Clock]]:
    clock, elapsed = Clock(), Clock()
    master = a_master(world, (a_task("one", LONG),), clock=clock, elapsed=elapsed)
    master.tick()
    yield master, clock, elapsed
    master.end()


@pytest.mark.parametrize("seconds", [DAY, -DAY, HOUR, -HOUR])
def test_a_clock_that_is_set_ends_no_task(running: tuple[TaskMaster, Clock, Clock], seconds: float) -> None:
    master, clock, _ = running
    clock.advance(seconds)
    master.tick()
    assert not master._running["one"].ending


def test_twin_of_the_clock_a_day_forward_is_a_timeout(world: World) -> None:
    clock = Clock()
    master = a_master(world, (a_task("one", LONG),), clock=clock, elapsed=clock)
    master.tick()
    clock.advance(DAY)
    master.tick()
    assert master._running["one"].ending == "timeout"
    master.end()


def test_what_takes_too_long_is_ended_though_the_clock_was_set_back(
    running: tuple[TaskMaster, Clock, Clock],
) -> None:
    master, clock, elapsed = running
    clock.advance(-DAY)
    elapsed.advance(61)
    master.tick()
    assert master._running["one"].ending == "timeout"


def test_a_marked_process_is_found_again_after_the_clock_was_set(clock_set: SetForward) -> None:
    mark = children.mark_of(psutil.Process(), 5.0)
    clock_set.by(DAY)
    assert children.find_process(mark.pid, mark.create_time, mark.identity) is not None
    # Sabotage: by its time alone it is another one.
    assert children.find_process(mark.pid, mark.create_time) is None


def test_a_run_lives_on_after_the_clock_was_set(clock_set: SetForward) -> None:
    run = runs.claim(Run.objects.create(kind=Run.Kind.values[0], title="one", created_by="test").pk)
    assert run.pid == os.getpid()
    clock_set.by(DAY)
    assert runs.settle_dead() == 0
    # Sabotage: by its time alone its process is one that took the number later.
    Run.objects.update(process="")
    assert runs.settle_dead() == 1


def test_a_run_of_a_clock_that_went_ahead_is_begun() -> None:
    run = Run.objects.create(kind=Run.Kind.values[0], title="one", created_by="test")
    assert master_module.waiting_runs() == []  # somebody may be about to perform it himself
    Run.objects.update(created_at=timezone.now() + timedelta(hours=1))
    assert master_module.waiting_runs() == [run]
