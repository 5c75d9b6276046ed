"""Another hero is to fight: the battle under way is saved, waits, and goes on as it was when its hero comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from arena import quest_orders
from arena.daemon import battles, recovery
from arena.daemon.autoplay import Player
from arena.daemon.loop import ArenaDaemon
from arena.daemon.trainer.process import TrainerProcess
from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import STEPS_FILE, Command, EventKind, StepRecord
from arena.quest_orders import Act
from guild.curriculum.plan import read_curriculum
from realm.config import RealmConfig
from realm.world import World
from tests.arena.daemon.test_loop import Clock, clock, drop, settle, states, trainer
from tests.support.fake_trainer import FakeTrainer
from tests.support.local_gate import LocalGate

__all__ = ["clock", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db

A_STEP = StepRecord(1, 1.0, 2.0, 1e-3, 1.0, 0.1, 10, 10, 10, 1, 0).pack()
Daemon = tuple[ArenaDaemon, Callable[..., None]]


@pytest.fixture
def served(world: World, trainer: FakeTrainer, clock: Clock) -> Daemon:
    """The daemon, and how the player names another hero in the settings."""
    return serve(world, trainer, clock, "DIO")


def serve(world: World, trainer: FakeTrainer, clock: Clock, hero: str) -> Daemon:
    settings = [RealmConfig(autoplay=False, hero=hero)]
    player = Player(
        world, hero, lambda: read_curriculum(settings[0]), lambda: None, clock=clock, do=lambda work: work()
    )
    recovery.bring_into_line(world)
    daemon = ArenaDaemon(
        world=world, config=settings[0], trainer=cast(TrainerProcess, trainer), gate=LocalGate(world), player=player,
        clock=clock, reload_config=lambda: settings[0],
    )  # fmt: skip

    def name(hero: str, **training: int) -> None:
        settings[0] = replace(settings[0], hero=hero, training=training)
        clock.now += 10
        settle(daemon)

    return daemon, name


def begin(world: World, trainer: FakeTrainer, daemon: ArenaDaemon) -> str:
    """DIO's battle, after its first step; its id."""
    drop(world, "a.jsonl")
    settle(daemon)
    trainer.begin()
    Path(trainer.orders[-1].battle_folder, STEPS_FILE).write_bytes(A_STEP)
    settle(daemon)
    return trainer.orders[-1].battle


def fight_as_knight(world: World, trainer: FakeTrainer, served: Daemon) -> None:
    daemon, name = served
    name("KNIGHT")
    assert trainer.commands == [Command.PAUSE], "nothing is cut off"
    assert len(trainer.orders) == 1
    trainer.save(1)
    trainer.say(EventKind.BATTLE_PAUSED, step=1, asked="pause")
    drop(world, "b.jsonl")
    settle(daemon)


def test_a_battle_waits_for_its_own_hero_and_goes_on_as_it_was(
    world: World, trainer: FakeTrainer, served: Daemon
) -> None:
    daemon, name = served
    first = begin(world, trainer, daemon)
    fight_as_knight(world, trainer, served)
    order = trainer.orders[-1]
    assert (order.hero, order.quest, Path(order.hero_folder).name) == ("KNIGHT", "b", "KNIGHT")
    assert world.current_model.readlink() == Path("heroes/KNIGHT")
    assert Battle.objects.get(battle_id=first).state == Battle.State.PAUSED
    assert ChronicleEntry.objects.get(kind="hero_changed").data == {"hero": "KNIGHT", "before": "DIO"}
    trainer.begin()
    trainer.save(5)
    trainer.complete(5)
    settle(daemon)
    assert states() == {"a": "battling", "b": "completed"}

    name("DIO")
    again = trainer.orders[-1]
    assert (again.battle, again) == (first, trainer.orders[0])
    recovery.bring_into_line(world)
    assert states()["a"] == "battling"


def test_without_asking_whose_it_is_the_wrong_hero_would_go_on(
    world: World, trainer: FakeTrainer, served: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above."""
    monkeypatch.setattr(
        battles, "unfinished", lambda world, hero, rows: Battle.objects.filter(state__in=battles.UNFINISHED).first()
    )
    begin(world, trainer, served[0])
    fight_as_knight(world, trainer, served)
    assert trainer.orders[-1].hero == "DIO"


def test_a_battle_that_waits_can_be_given_up(world: World, trainer: FakeTrainer, served: Daemon) -> None:
    daemon, _ = served
    first = begin(world, trainer, daemon)
    fight_as_knight(world, trainer, served)
    quest_orders.send(world, act=Act.CANCEL, quests=[Quest.objects.get(name="a")], by="test")
    settle(daemon)
    assert states() == {"a": "cancelled", "b": "battling"}
    assert Battle.objects.get(battle_id=first).state == Battle.State.STOPPED
    assert Command.STOP not in trainer.commands


def test_one_that_has_trained_nothing_is_fought_by_whoever_comes(
    world: World, trainer: FakeTrainer, served: Daemon
) -> None:
    daemon, name = served
    drop(world, "a.jsonl")
    settle(daemon)
    name("KNIGHT")
    trainer.say(EventKind.BATTLE_PAUSED, asked="pause")
    settle(daemon)
    assert [order.hero for order in trainer.orders] == ["DIO", "KNIGHT"]
    assert Battle.objects.get().hero == "KNIGHT"


def test_one_that_has_trained_nothing_is_given_up_without_the_one_that_is_fought(
    world: World, trainer: FakeTrainer, served: Daemon
) -> None:
    daemon, name = served
    first = begin(world, trainer, daemon)
    fight_as_knight(world, trainer, served)
    name("DIO")
    trainer.say(EventKind.BATTLE_PAUSED, asked="pause")
    settle(daemon)
    assert trainer.orders[-1].battle == first
    commands = list(trainer.commands)
    quest_orders.send(world, act=Act.CANCEL, quests=[Quest.objects.get(name="b")], by="test")
    settle(daemon)
    assert states() == {"a": "battling", "b": "cancelled"}
    assert trainer.commands == commands


def test_for_a_hero_who_cannot_fight_no_battle_is_paused(world: World, trainer: FakeTrainer, served: Daemon) -> None:
    daemon, name = served
    begin(world, trainer, daemon)
    for _ in range(3):
        name("KNIGHT", max_length=1)
    assert trainer.commands == []
    (entry,) = ChronicleEntry.objects.filter(kind="settings_refused")
    assert "max_length" in entry.message
    name("KNIGHT")
    assert trainer.commands == [Command.PAUSE]


def test_settings_that_break_while_a_battle_is_saved_leave_the_hero_fighting(
    world: World, trainer: FakeTrainer, served: Daemon
) -> None:
    daemon, name = served
    first = begin(world, trainer, daemon)
    name("KNIGHT")
    trainer.save(1)
    trainer.say(EventKind.BATTLE_PAUSED, step=1, asked="pause")
    for _ in range(3):
        name("KNIGHT", max_length=1)
    assert [order.battle for order in trainer.orders] == [first, first]
    assert trainer.commands == [Command.PAUSE]
    assert not ChronicleEntry.objects.filter(kind="hero_changed").exists()


def test_one_who_is_named_again_meanwhile_goes_on(world: World, trainer: FakeTrainer, served: Daemon) -> None:
    daemon, name = served
    first = begin(world, trainer, daemon)
    name("KNIGHT")
    name("DIO")
    trainer.save(1)
    trainer.say(EventKind.BATTLE_PAUSED, step=1, asked="pause")
    settle(daemon)
    assert [order.battle for order in trainer.orders] == [first, first]
    assert not ChronicleEntry.objects.filter(kind="hero_changed").exists()


def states_after_a_kill(world: World, trainer: FakeTrainer, clock: Clock) -> dict[str, str]:
    """By hero, of a world whose daemon is killed in a battle, and whose settings name another hero when it starts."""
    begin(world, trainer, serve(world, trainer, clock, "DIO")[0])
    after, _ = serve(world, FakeTrainer(), clock, "KNIGHT")
    settle(after)
    return dict(Battle.objects.values_list("hero", "state"))


def test_a_battle_whose_hero_was_changed_while_nobody_served_waits(
    world: World, trainer: FakeTrainer, clock: Clock
) -> None:
    assert states_after_a_kill(world, trainer, clock) == {"DIO": Battle.State.PAUSED}


def test_without_looking_it_would_stand_as_one_that_is_fought(
    world: World, trainer: FakeTrainer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the test above."""
    monkeypatch.setattr(battles, "leave_to_wait", lambda hero: None)
    assert states_after_a_kill(world, trainer, clock) == {"DIO": Battle.State.TRAINING}
