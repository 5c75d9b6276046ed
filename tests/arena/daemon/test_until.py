"""A daemon that is to end by itself: at a step, or once nothing is left to fight. One without an end goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest

from arena.daemon.autoplay import Player
from arena.daemon.battles import ensure_hero
from arena.daemon.loop import ArenaDaemon
from arena.daemon.trainer.process import TrainerProcess
from arena.daemon.until import FOREVER, Until
from arena.protocol import EventKind
from guild.curriculum.plan import read_curriculum
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, drop, states
from tests.support.fake_trainer import FakeTrainer
from tests.support.local_gate import LocalGate

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]

Act = Callable[[ArenaDaemon, FakeTrainer], None]


def serve(world: World, until: Until, *acts: Act, config: RealmConfig = CONFIG) -> FakeTrainer:
    """Run a daemon to its own end; before each time that it waits, the next of `acts` happens."""
    ensure_hero(world, config)
    trainer, left = FakeTrainer(), list(acts)
    daemon = ArenaDaemon(
        world=world,
        config=config,
        trainer=cast(TrainerProcess, trainer),
        gate=LocalGate(world),
        player=Player(world, config.hero, lambda: read_curriculum(config), lambda: None, do=lambda work: work()),
        until=until,
    )

    def act(_: float | None = None) -> bool:
        if not left:
            raise AssertionError("the daemon goes on")
        left.pop(0)(daemon, trainer)
        return True

    daemon.player.prepare = lambda: None  # type: ignore[method-assign]  # its sets are nobody's here
    daemon.wake_up.wait = act  # type: ignore[method-assign,assignment]
    daemon.run()
    assert not left
    return trainer


def begin(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    trainer.begin()


def complete(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    trainer.save(10)
    trainer.complete(10)


def pause_there(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    trainer.say(EventKind.BATTLE_PAUSED, step=7, asked="pause")


def test_idle_means_that_every_quest_is_over(world: World) -> None:
    drop(world, "a.jsonl")
    serve(world, Until(idle=True), begin, complete)
    assert states() == {"a": "completed"}


def test_twin_without_an_end_it_would_go_on(world: World) -> None:
    drop(world, "a.jsonl")
    with pytest.raises(AssertionError, match="goes on"):
        serve(world, FOREVER, begin, complete)


def test_it_ends_at_the_step_and_begins_no_battle_any_more(world: World) -> None:
    drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    trainer = serve(world, Until(step=7), begin, pause_there)
    assert trainer.pauses_at == [7]
    assert len(trainer.orders) == 1
    assert states() == {"a": "battling", "b": "queued"}


def test_twin_a_pause_before_the_step_is_no_end(world: World) -> None:
    drop(world, "a.jsonl")
    with pytest.raises(AssertionError, match="goes on"):
        serve(world, Until(step=8), begin, pause_there)
