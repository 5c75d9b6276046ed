"""A battle that asks for rest by itself, and what the trainer tells of its faults."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from arena import orders
from arena import status as arena_status
from arena.daemon import events
from arena.daemon.loop import ArenaDaemon
from arena.models import Battle, ChronicleEntry
from arena.orders import Wish
from arena.protocol import EventKind
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle, states, told, trainer
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)

REASON = "the loss was not finite 3 times at step 41; see data/flagged_examples"


def pause_by_faults(world: World, trainer: FakeTrainer, daemon: ArenaDaemon) -> None:
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    trainer.busy = True
    settle(daemon)
    drop(world, "b.jsonl")
    trainer.say(EventKind.BATTLE_PAUSED, step=41, asked="faults", reason=REASON)
    trainer.busy = False


def test_a_battle_that_pauses_by_faults_rests_and_says_why(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon()
    pause_by_faults(world, trainer, daemon)
    settle(daemon)
    restarted = open_daemon()
    settle(restarted)
    for _ in (daemon, restarted):
        status = json.loads(world.arena_status.read_text())
        assert (status["state"], status["message"]) == ("paused", REASON)
    assert len(trainer.orders) == 1
    assert states() == {"a": "battling", "b": "queued"}
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(restarted)
    assert [order.quest for order in trainer.orders] == ["a", "a"]


def test_a_daemon_killed_before_it_took_the_event_in_rests_too(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    pause_by_faults(world, trainer, open_daemon())
    daemon = open_daemon()
    settle(daemon)
    assert daemon.rest.active
    assert len(trainer.orders) == 1


def test_without_the_note_on_disk_the_next_daemon_would_fight_on(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "_settle_rest", lambda *_, **__: None)
    pause_by_faults(world, trainer, open_daemon())
    settle(open_daemon())
    assert len(trainer.orders) == 2


def test_a_battle_that_is_skipped_takes_its_trouble_with_it(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon()
    pause_by_faults(world, trainer, daemon)
    settle(daemon)
    assert arena_status.read_rest(world)["reason"] == REASON
    orders.send(world, wish=Wish.SKIP, by="test")
    settle(daemon)
    assert daemon.rest.active
    assert "reason" not in arena_status.read_rest(world)
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    assert len(trainer.orders) == 2


def test_an_old_pause_read_again_asks_for_no_rest(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon()
    pause_by_faults(world, trainer, daemon)
    settle(daemon)
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    trainer.say(EventKind.BATTLE_RESUMED, step=41, first_step=0, total_steps=10)
    settle(daemon)
    Battle.objects.update(events_offset=0)
    assert not open_daemon().rest.active


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (EventKind.FAULT, {"fault": "non_finite", "lines": [3, 4]}),
        (EventKind.FAULT, {"fault": "a kind of tomorrow", "more": {"nested": [None]}}),
        (EventKind.CHECKPOINT_FAILED, {"reason": "no room"}),
        (EventKind.CONVERGENCE_WARNING, {"warning": "stagnation"}),
        (EventKind.CONVERGENCE_WARNING, {}),
    ],
)
def test_faults_are_told_and_the_battle_goes_on(
    world: World,
    trainer: FakeTrainer,
    open_daemon: Callable[..., ArenaDaemon],
    kind: EventKind,
    data: dict[str, object],
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    trainer.say(kind, step=4, **data)
    trainer.complete(9)
    settle(daemon)
    assert told().count(kind) == 1
    assert ChronicleEntry.objects.get(kind=kind).data == data | {"battle": trainer.orders[0].battle}
    assert states() == {"a": "completed"}


def test_the_order_names_where_bad_rows_are_written_down(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    settle(open_daemon())
    assert trainer.orders[0].flagged_folder == str(world.flagged_examples)
    assert Path(trainer.orders[0].flagged_folder).is_dir()
    written = json.loads((Path(trainer.orders[0].battle_folder) / "order.json").read_text())
    assert written["flagged_folder"] == "../../data/flagged_examples", "a copied world stays whole"
