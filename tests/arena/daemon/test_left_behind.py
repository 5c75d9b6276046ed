"""A trainer that outlives its daemon, and stops that were asked for just before something died."""

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from arena import orders
from arena.daemon.loop import ArenaDaemon
from arena.models import Battle
from arena.orders import Wish
from arena.protocol import Command, EventKind
from arena.queue import inbox
from realm.world import World
from tests.arena.daemon.test_loop import Clock, clock, drop, open_daemon, settle, states, trainer
from tests.support import tiny_hero
from tests.support.fake_trainer import FakeTrainer
from tests.support.live_arena import LiveArena

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


def test_the_last_word_of_a_trainer_left_behind_does_not_end_the_new_run(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    settle(open_daemon())
    trainer.begin()
    daemon = open_daemon()  # the first one was killed
    daemon.tick()
    trainer.busy = True
    trainer.say(EventKind.BATTLE_PAUSED, step=3, asked="shutdown")
    settle(daemon)
    trainer.say(EventKind.BATTLE_RESUMED, step=3, first_step=0, total_steps=10)
    settle(daemon)
    assert Battle.objects.get().state == Battle.State.TRAINING
    orders.send(world, wish=Wish.PAUSE, by="test")
    settle(daemon)
    assert trainer.commands == [Command.PAUSE]
    trainer.say(EventKind.BATTLE_PAUSED, step=4, asked="pause")
    trainer.busy = False
    settle(daemon)
    assert Battle.objects.get().state == Battle.State.PAUSED


@pytest.mark.parametrize("killed", ["daemon", "trainer"])
def test_a_stop_holds_whatever_dies_before_it_is_done(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon], killed: str
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    orders.send(world, wish=Wish.STOP, by="test")
    settle(daemon)
    if killed == "trainer":
        trainer.die()
    else:
        trainer.say(EventKind.BATTLE_PAUSED, step=3, asked="shutdown")  # end of input came before the stop was read
        daemon = open_daemon()
    settle(daemon)
    clock.now += 60
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    assert states() == {"a": "cancelled"}
    assert Battle.objects.get().state == Battle.State.STOPPED
    assert len(trainer.orders) == 1


def test_a_file_that_is_gone_again_does_not_stop_the_others(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    look = inbox.look

    def look_then_take_away(folder: Path, stillness: inbox.Stillness) -> inbox.Arrivals:
        arrivals = look(folder, stillness)
        gone.unlink(missing_ok=True)
        return arrivals

    monkeypatch.setattr(inbox, "look", look_then_take_away)
    settle(open_daemon())
    assert states() == {"b": "battling"}


def test_a_broken_lease_does_not_end_the_daemon(tmp_path: Path) -> None:
    arena = LiveArena(tmp_path / "world", tiny_hero.make_base(tmp_path / "base"))
    arena.start()
    try:
        arena.wait_for(lambda: arena.status.get("state") == "idle", "the daemon is idle")
        assert arena.daemon is not None
        os.kill(arena.daemon.pid, signal.SIGIO)
        arena.drop("a.jsonl", 8, seed=1)
        arena.wait_for(lambda: arena.completed() == {"a.jsonl"}, "the quest is completed")
        assert arena.daemon.poll() is None
    finally:
        arena.stop()
