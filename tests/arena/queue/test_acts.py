"""What the player orders of quests is what becomes of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from arena import orders, quest_orders
from arena.daemon import recovery
from arena.daemon.loop import ArenaDaemon
from arena.gate import report as reports
from arena.models import ChronicleEntry, Quest
from arena.protocol import Command, EventKind
from arena.quest_orders import Act, acts_for
from arena.queue import files as queue
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import clock, drop, open_daemon, settle, states, told, trainer
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
Opener = Callable[..., ArenaDaemon]


@pytest.fixture
def daemon(world: World, trainer: FakeTrainer, open_daemon: Opener) -> ArenaDaemon:
    """One that is busy with a first quest, so that all others wait."""
    drop(world, "fought.jsonl")
    opened = open_daemon()
    settle(opened)
    trainer.begin()
    settle(opened)
    return opened


def quest(name: str) -> Quest:
    return Quest.objects.filter(name=name).latest("id")


def order(daemon: ArenaDaemon, act: Act, *names: str, before: str | None = None, **options: Any) -> None:
    quest_orders.send(
        daemon.world,
        act=act,
        quests=[quest(name) for name in names],
        before=quest(before) if before else None,
        by="test",
        **options,
    )
    settle(daemon)


def drop_all(daemon: ArenaDaemon, *names: str) -> None:
    for name in names:
        drop(daemon.world, f"{name}.jsonl")
        settle(daemon)


def line() -> list[str]:
    return [waiting.name for waiting in queue.waiting()]


def test_moving_within_a_lane_and_to_another(daemon: ArenaDaemon) -> None:
    drop_all(daemon, "a", "b", "c", "d")
    order(daemon, Act.MOVE, "d", before="a", priority="normal")
    assert line() == ["d", "a", "b", "c"]
    order(daemon, Act.MOVE, "c", "a", before="b", priority="normal")
    assert line() == ["d", "c", "a", "b"]
    order(daemon, Act.MOVE, "b", priority="high")
    order(daemon, Act.MOVE, "d", priority="low")
    assert line() == ["b", "c", "a", "d"]
    assert (daemon.world.lane("high") / "b.jsonl.report.json").exists()
    drop_all(daemon, "e")
    assert line() == ["b", "c", "a", "e", "d"]


def test_the_arrangement_survives_a_lost_database(
    daemon: ArenaDaemon, trainer: FakeTrainer, open_daemon: Opener
) -> None:
    drop_all(daemon, "a", "b", "c")
    order(daemon, Act.MOVE, "c", before="a", priority="normal")
    order(daemon, Act.HOLD, "a")
    Quest.objects.all().delete()
    again = open_daemon()
    settle(again)
    assert line() == ["c", "b"]
    assert states()["a"] == "inspected"


def test_a_quest_on_hold_waits_until_it_is_released(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    drop_all(daemon, "a", "b")
    order(daemon, Act.HOLD, "a")
    trainer.save(5)
    trainer.complete(5)
    settle(daemon)
    assert (states()["a"], states()["b"]) == ("inspected", "battling")
    order(daemon, Act.RELEASE, "a")
    assert line() == ["a"]
    assert "quest_held" in told()
    assert "quest_released" in told()


@pytest.mark.parametrize(("hold", "held"), [("never", []), ("warned", ["bad"]), ("always", ["bad", "good"])])
def test_the_settings_say_which_quests_wait_for_the_player(
    world: World, open_daemon: Opener, hold: str, held: list[str]
) -> None:
    drop(world, "good.jsonl")
    path = drop(world, "bad.jsonl")
    path.write_text(path.read_text() + path.read_text())  # the second row is a copy
    os.utime(path, (1, 1))
    settle(open_daemon(RealmConfig(autoplay=False, gatekeeper={"hold": hold})))
    assert sorted(Quest.objects.filter(state="inspected").values_list("name", flat=True)) == held


def test_what_was_asked_when_it_was_added_is_done(daemon: ArenaDaemon, tmp_path: Path) -> None:
    source = tmp_path / "mine.jsonl"
    source.write_text('{"prompt": "x", "completion": "y"}\n')
    queue.add_file(daemon.world, source, priority="low", wishes=reports.Wishes(hold=True))
    settle(daemon)
    assert states()["mine"] == "inspected"
    queue.add_file(daemon.world, source, priority="low")
    settle(daemon)
    assert quest("mine-2").state == "failed"
    assert quest("mine-2").refusal == "duplicate"
    queue.add_file(daemon.world, source, priority="low", wishes=reports.Wishes(force=True))
    settle(daemon)
    assert quest("mine-2").state == "queued"


def test_a_duplicate_can_be_forced_and_a_completed_quest_fought_again(
    daemon: ArenaDaemon, trainer: FakeTrainer
) -> None:
    drop(daemon.world, "again.jsonl").write_bytes((daemon.world.processing / "fought.jsonl").read_bytes())
    os.utime(daemon.world.inbox / "again.jsonl", (1, 1))
    settle(daemon)
    assert acts_for(quest("again")) == (Act.FORCE, Act.RETRY, Act.DISCARD)
    order(daemon, Act.RETRY, "again")
    assert quest("again").state == "failed"
    order(daemon, Act.FORCE, "again")
    assert line() == ["again"]
    order(daemon, Act.CANCEL, "again")
    trainer.save(5)
    trainer.complete(5)
    settle(daemon)
    order(daemon, Act.FORCE, "fought")
    assert quest("fought").state == "battling"
    assert Quest.objects.filter(name="fought").count() == 2


def test_cancelled_quests_can_be_tried_again_and_their_files_deleted(daemon: ArenaDaemon) -> None:
    drop_all(daemon, "a", "b")
    order(daemon, Act.CANCEL, "a", "b")
    assert (states()["a"], states()["b"]) == ("cancelled", "cancelled")
    assert json.loads((daemon.world.failed / "a.jsonl.reason.json").read_text())["state"] == "cancelled"
    order(daemon, Act.RETRY, "a")
    assert line() == ["a"]
    assert not (daemon.world.failed / "a.jsonl.reason.json").exists()
    order(daemon, Act.DISCARD, "b")
    assert "b" not in states()
    assert list(daemon.world.failed.iterdir()) == []


def test_a_cancelled_quest_is_cancelled_after_a_lost_database_too(daemon: ArenaDaemon) -> None:
    drop_all(daemon, "a")
    order(daemon, Act.CANCEL, "a")
    Quest.objects.filter(name="a").delete()
    recovery.bring_into_line(daemon.world)
    assert states()["a"] == "cancelled"


def test_cancelling_the_quest_that_is_fought_skips_it(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    drop_all(daemon, "a")
    order(daemon, Act.CANCEL, "fought")
    assert trainer.commands == [Command.STOP]
    trainer.say(EventKind.BATTLE_STOPPED, step=2)
    settle(daemon)
    assert (states()["fought"], states()["a"]) == ("cancelled", "battling")


def test_an_order_that_makes_no_sense_any_more_is_told_and_does_nothing(daemon: ArenaDaemon) -> None:
    drop_all(daemon, "a")
    stale = quest("a")
    order(daemon, Act.CANCEL, "a")
    quest_orders.send(daemon.world, act=Act.HOLD, quests=[stale], by="test")
    settle(daemon)
    assert states()["a"] == "cancelled"
    said = ChronicleEntry.objects.get(kind="order_refused").message
    assert said == "a is cancelled: hold makes no sense"


def test_an_order_is_not_for_another_quest_that_got_the_same_id(daemon: ArenaDaemon) -> None:
    drop_all(daemon, "a")
    path = quest_orders.send(daemon.world, act=Act.CANCEL, quests=[quest("a")], by="test")
    path.write_text(path.read_text().replace('"a"', '"b"'))
    settle(daemon)
    assert states()["a"] == "queued"
    assert "order_refused" in told()


@pytest.mark.parametrize("rubbish", ["", "[]", '{"act": "hold"}', '{"act": "eat", "quests": [], "by": "x"}', "nul\0"])
def test_rubbish_among_the_orders_is_thrown_away(daemon: ArenaDaemon, rubbish: str) -> None:
    path = daemon.world.control / "1-1-hold.quests.json"
    path.write_text(rubbish)
    settle(daemon)
    assert not path.exists()


def test_what_the_guild_forges_may_repeat_itself(daemon: ArenaDaemon) -> None:
    path = drop(daemon.world, "bin-level-1-0007.jsonl")
    path.write_text('{"prompt": "a", "completion": "b"}\n' * 3)
    os.utime(path, (1, 1))
    settle(daemon)
    assert quest("bin-level-1-0007").taken == 3


def test_rows_set_aside_are_told_to_the_trainer(world: World, trainer: FakeTrainer, open_daemon: Opener) -> None:
    path = drop(world, "a.jsonl")
    path.write_text(path.read_text() * 3)
    os.utime(path, (1, 1))
    settle(open_daemon())
    (fought,) = trainer.orders
    assert fought.set_aside_file is not None
    assert np.load(fought.set_aside_file).tolist() == [2, 3]


def test_a_queued_quest_whose_report_is_lost_is_looked_at_again(daemon: ArenaDaemon, trainer: FakeTrainer) -> None:
    drop_all(daemon, "a")
    reports.companion(daemon.world.lane("normal") / "a.jsonl", reports.ROWS).unlink()
    trainer.save(5)
    trainer.complete(5)
    settle(daemon)
    assert states()["a"] == "battling"
    assert reports.is_complete(daemon.world.processing / "a.jsonl")


def test_what_makes_sense_in_each_state() -> None:
    possible = {state: acts_for(Quest(state=state, file="normal/a.jsonl")) for state in Quest.State.values}
    assert Act.CANCEL in possible["battling"]
    assert Act.RETRY not in possible["completed"]
    assert all(possible.values())
    assert acts_for(Quest(state="failed", file="")) == ()


def test_a_long_order_is_carried_out_in_slices_with_commands_between(
    daemon: ArenaDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quest_orders, "SLICE", 2)
    names = [f"waits{number}" for number in range(5)]
    drop_all(daemon, *names)
    quest_orders.send(daemon.world, act=Act.CANCEL, quests=[quest(name) for name in names], by="test")
    daemon.tick()
    assert [quest(name).state for name in names].count(Quest.State.CANCELLED) == 2
    orders.send(daemon.world, wish=orders.Wish.PAUSE, by="test")
    daemon.tick()
    assert daemon.rest.active  # the twin of one that would be heard only when all are gone
    assert [quest(name).state for name in names].count(Quest.State.CANCELLED) == 4
    settle(daemon)
    assert [quest(name).state for name in names].count(Quest.State.CANCELLED) == 5
    said = ChronicleEntry.objects.filter(kind="quest_cancelled").values_list("message", flat=True)
    assert [text for text in said if "quests" in text] == ["5 quests are cancelled"]
    assert not list(daemon.world.control.glob("*.quests.json"))


@pytest.mark.parametrize("at_once", [True, False])
def test_fight_it_again_twice_queues_once(daemon: ArenaDaemon, trainer: FakeTrainer, *, at_once: bool) -> None:
    trainer.complete(20)
    settle(daemon)
    fought = quest("fought")
    assert fought.state == Quest.State.COMPLETED
    for _ in range(2):
        quest_orders.send(daemon.world, act=Act.FORCE, quests=[fought], by="test")
        if not at_once:
            settle(daemon)
    settle(daemon)
    assert Quest.objects.filter(sha256=fought.sha256).count() == 2
    refused = ChronicleEntry.objects.filter(kind="order_refused").values_list("message", flat=True)
    assert len(refused) == 1
    assert "comes again already" in refused[0]
