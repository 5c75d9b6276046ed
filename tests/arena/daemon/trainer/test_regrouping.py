"""Which processes and machines train together: as the battle's order says, and nobody is waited for in vain."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from arena.daemon.loop import ArenaDaemon
from arena.daemon.settings import FRESH_SECONDS
from arena.daemon.trainer.process import Group
from arena.protocol import ExitCode
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, Clock, clock, drop, open_daemon, settle, states, trainer
from tests.support.fake_trainer import FakeTrainer
from tests.watchtower.factories import append_steps, record

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "10.0.0.1:29400"
ALONE = replace(CONFIG, node_address=ADDRESS)
TOGETHER = replace(ALONE, training={"nodes": ["gpubox"], "rows_per_micro_batch": 2})
GROUP = Group(nodes=("gpubox",), node_address=ADDRESS)
MISSING = "The battle waits for the machine gpubox to join it; there: …"


def waits(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    trainer.missing = MISSING
    settle(daemon)


def test_the_groups_of_two_battles_follow_each_other(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon(TOGETHER)
    settle(daemon)
    assert trainer.group == GROUP
    assert trainer.orders[-1].recipe.nodes == ("gpubox",)
    trainer.begin()
    trainer.complete(10)
    settle(daemon)
    daemon.settings.load = lambda: ALONE
    clock.now += FRESH_SECONDS + 1
    drop(world, "b.jsonl")
    settle(daemon)
    assert (trainer.group, len(trainer.orders)) == (Group(), 2)


def test_no_machine_is_waited_for_without_a_battle(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon(TOGETHER)
    settle(daemon)
    waits(daemon, trainer)
    assert (trainer.group, trainer.missing, trainer.alive) == (Group(), "", True)


def stands_for_a_machine(world: World, trainer: FakeTrainer, clock: Clock, daemon: ArenaDaemon, *, steps: int) -> None:
    """A battle that has done so many steps, whose machine is lost; then the player takes it out of the settings."""
    drop(world, "a.jsonl")
    settle(daemon)
    if steps:
        trainer.begin()
        append_steps(world, trainer.orders[-1].battle, [record(step) for step in range(1, steps + 1)])
        settle(daemon)
    trainer.die(ExitCode.MACHINE_LOST)
    trainer.busy = True  # the next one is not ready: it waits for the machine
    settle(daemon)
    clock.now += 60
    settle(daemon)
    trainer.busy = False
    waits(daemon, trainer)
    assert (trainer.group, trainer.missing) == (GROUP, MISSING)
    daemon.settings.load = lambda: ALONE
    clock.now += FRESH_SECONDS + 1
    settle(daemon)


def test_a_battle_that_has_not_begun_goes_by_the_settings_as_they_are_now(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    stands_for_a_machine(world, trainer, clock, open_daemon(TOGETHER), steps=0)
    assert (trainer.group, trainer.orders[-1].recipe.nodes, states()) == (Group(), (), {"a": "battling"})


def test_twin_without_that_look_it_waits_for_ever(
    world: World,
    trainer: FakeTrainer,
    clock: Clock,
    open_daemon: Callable[..., ArenaDaemon],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ArenaDaemon, "_leave_missing", lambda self: False)
    stands_for_a_machine(world, trainer, clock, open_daemon(TOGETHER), steps=0)
    assert (trainer.group, trainer.missing) == (GROUP, MISSING)


def test_a_battle_that_has_trained_waits_for_its_machine(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    stands_for_a_machine(world, trainer, clock, open_daemon(TOGETHER), steps=3)
    assert (trainer.group, trainer.missing) == (GROUP, MISSING)
