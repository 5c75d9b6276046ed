"""Skip ends a battle as stop does, but the arena goes on; whatever dies in between."""

import json
from collections.abc import Callable

import pytest

from arena import orders
from arena import status as arena_status
from arena.daemon.loop import ArenaDaemon
from arena.models import Battle
from arena.orders import Wish
from arena.protocol import Command, EventKind
from realm.world import World
from tests.arena.daemon.test_loop import Clock, clock, drop, open_daemon, settle, states, told, trainer
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def fighting(world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]) -> ArenaDaemon:
    """A battle on `a` is fought and `b` waits."""
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    drop(world, "b.jsonl")
    settle(daemon)
    trainer.begin()
    trainer.busy = True
    settle(daemon)
    return daemon


def ask(world: World, *wishes: Wish) -> None:
    for wish in wishes:
        orders.send(world, wish=wish, by="test")


def reason(world: World, quest: str) -> str:
    return str(json.loads((world.failed / f"{quest}.jsonl.reason.json").read_text())["reason"])


def test_the_next_quest_follows_at_once(world: World, trainer: FakeTrainer, fighting: ArenaDaemon) -> None:
    ask(world, Wish.SKIP)
    settle(fighting)
    assert trainer.commands == [Command.STOP]
    trainer.say(EventKind.BATTLE_STOPPED, step=7)
    trainer.busy = False
    settle(fighting)
    assert states() == {"a": "cancelled", "b": "battling"}
    assert reason(world, "a") == "skipped by the player; battle_stopped at 7"
    assert "quest_skipped" in told()
    assert trainer.orders[-1].quest == "b"
    assert not fighting.rest.active
    assert arena_status.skipped_battle(world) is None


def test_a_stop_is_no_skip(world: World, trainer: FakeTrainer, fighting: ArenaDaemon) -> None:
    ask(world, Wish.STOP)
    settle(fighting)
    trainer.say(EventKind.BATTLE_STOPPED, step=7)
    trainer.busy = False
    settle(fighting)
    assert states() == {"a": "cancelled", "b": "queued"}
    assert reason(world, "a").startswith("stopped by the player")
    assert "quest_skipped" not in told()


def test_what_rests_stays_at_rest(world: World, trainer: FakeTrainer, fighting: ArenaDaemon) -> None:
    ask(world, Wish.PAUSE)
    settle(fighting)
    trainer.say(EventKind.BATTLE_PAUSED, asked="pause")
    trainer.busy = False
    settle(fighting)
    ask(world, Wish.SKIP)
    settle(fighting)
    assert states() == {"a": "cancelled", "b": "queued"}
    assert Battle.objects.get().state == Battle.State.STOPPED
    assert reason(world, "a") == "skipped by the player while it rested"
    assert fighting.rest.active
    ask(world, Wish.RESUME)
    settle(fighting)
    assert states()["b"] == "battling"


def test_where_nothing_is_fought_it_says_so(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon()
    settle(daemon)
    ask(world, Wish.SKIP)
    settle(daemon)
    assert told() == ["nothing_skipped"]
    drop(world, "a.jsonl")
    settle(daemon)
    assert states() == {"a": "battling"}, "a later battle is not meant"


@pytest.mark.parametrize("killed", ["daemon", "trainer"])
def test_a_skip_holds_whatever_dies_before_it_is_done(
    world: World,
    trainer: FakeTrainer,
    clock: Clock,
    fighting: ArenaDaemon,
    open_daemon: Callable[..., ArenaDaemon],
    killed: str,
) -> None:
    ask(world, Wish.SKIP)
    settle(fighting)
    trainer.busy = False
    if killed == "trainer":
        trainer.die()
    else:
        trainer.say(EventKind.BATTLE_PAUSED, step=3, asked="shutdown")
        fighting = open_daemon()
    settle(fighting)
    clock.now += 60
    settle(fighting)
    assert states() == {"a": "cancelled", "b": "battling"}
    assert arena_status.skipped_battle(world) is None


def test_a_battle_that_ends_before_the_skip_is_not_undone(
    world: World, trainer: FakeTrainer, fighting: ArenaDaemon
) -> None:
    ask(world, Wish.SKIP)
    settle(fighting)
    trainer.complete(9)
    trainer.busy = False
    settle(fighting)
    assert states() == {"a": "completed", "b": "battling"}
    assert arena_status.skipped_battle(world) is None


def test_skip_then_pause_skips_and_rests(world: World, trainer: FakeTrainer, fighting: ArenaDaemon) -> None:
    ask(world, Wish.SKIP, Wish.PAUSE)
    settle(fighting)
    trainer.say(EventKind.BATTLE_PAUSED, step=3, asked="pause")  # the last word counts with the trainer
    trainer.busy = False
    settle(fighting)
    assert states() == {"a": "cancelled", "b": "queued"}
    assert fighting.rest.active
