"""Tasks that the player wants now: begun whatever they wait for, but never beside another one of their resource."""

from __future__ import annotations

import os

import pytest

from guild.tasks import run_requests
from guild.tasks.master import TaskMaster
from realm.world import World
from tests.guild.tasks.test_master import Maker, begin, clock, make
from tests.support.rubbish import KINDS
from tests.support.task_master import LONG, Clock, a_task, finish

__all__ = ["clock", "make"]  # fixtures
pytestmark = pytest.mark.django_db


def test_a_wish_overrules_cooldown_conditions_and_the_switch(make: Maker, world: World, clock: Clock) -> None:
    master = make(a_task("off", enabled=False), a_task("never", conditions=("playing",), resource="disk"))
    assert begin(master) == []
    for name in ("off", "never"):
        run_requests.send(world, name, by="a test")
    assert sorted(begin(master)) == ["never", "off"]
    assert run_requests.waiting(world) == {}
    finish(master)
    assert begin(master) == [], "a wish is for one run"


def test_without_a_look_at_the_wishes_nothing_begins(
    make: Maker, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sabotage twin of the above."""
    monkeypatch.setattr("guild.tasks.run_requests.waiting", lambda world, **_: {})
    master = make(a_task("off", enabled=False))
    run_requests.send(world, "off", by="a test")
    assert begin(master) == []


def test_a_wish_goes_first_and_waits_for_its_resource(make: Maker, world: World) -> None:
    first = a_task("first", LONG, priority=9)
    master = make(first, a_task("wished", LONG, priority=1))
    assert begin(master) == ["first"]
    run_requests.send(world, "wished", by="a test")
    assert begin(master) == ["first"]
    assert list(run_requests.waiting(world)) == ["wished"]
    other = make(first, a_task("wished", LONG, priority=1))
    master.end()
    assert begin(other) == ["wished"]


def test_a_wish_for_what_is_no_task_is_dropped(make: Maker, world: World) -> None:
    run_requests.send(world, "nothing of that name", by="a test")
    master: TaskMaster = make(a_task("one"))
    assert begin(master) == ["one"]
    assert run_requests.waiting(world) == {}


@pytest.mark.parametrize("kind", KINDS)
def test_rubbish_beside_a_wish(make: Maker, world: World, caplog: pytest.LogCaptureFixture, kind: str) -> None:
    name = f"{1:020d}-1.task.json"
    KINDS[kind](world.control / name)
    run_requests.send(world, "off", by="a test")
    assert begin(make(a_task("off", enabled=False))) == ["off"]
    assert not os.path.lexists(world.control / name)
    assert name in caplog.text
