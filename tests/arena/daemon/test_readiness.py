"""A battle begins by its quest's own recipe; what cannot begin says how to mend it, and mended settings are tried."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from arena import orders, quest_orders
from arena import status as arena_status
from arena.daemon import battles
from arena.daemon.loop import ArenaDaemon
from arena.daemon.readiness import Readiness
from arena.models import Battle, ChronicleEntry, Quest
from arena.orders import Wish
from arena.protocol import STEPS_FILE, EventKind, Order, StepRecord
from arena.quest_orders import Act
from arena.recipe import Recipe
from realm.config import load
from realm.world import World
from tests.arena.daemon.test_loop import Clock, clock, drop, open_daemon, settle, states, told, trainer
from tests.support import tiny_hero
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.slow]


class Settings:
    """As the player's files have them, whatever a daemon began with."""

    def __init__(self, world: World) -> None:
        self.config = replace(load(world, {}, recipe=Recipe), autoplay=False)

    def training(self, **keys: Any) -> None:
        self.config = replace(self.config, training=dict(keys))


@pytest.fixture
def player(world: World) -> Settings:
    return Settings(world)


@pytest.fixture
def daemon(open_daemon: Callable[..., ArenaDaemon], player: Settings) -> ArenaDaemon:
    opened = open_daemon(player.config)
    opened.settings.load = lambda: player.config
    return opened


def message(world: World) -> str:
    return str(json.loads(world.arena_status.read_text())["message"])


def refuse(trainer: FakeTrainer, **data: Any) -> None:
    trainer.say(EventKind.BATTLE_FAILED, reason="no template", blame="hero", **data)


def order_of(world: World) -> Order:
    return battles.read_order(world, Battle.objects.get())


def test_a_dropped_recipe_goes_with_its_quest_and_is_fought_by(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon
) -> None:
    folder = world.inbox / "high" / "deep"
    folder.mkdir(parents=True)
    (folder / "a.jsonl.recipe.yaml").write_text("preset: quick-test\nepochs: 2\nmax_length: 64\n")
    drop(world, "high/deep/a.jsonl")
    drop(world, "b.jsonl")
    settle(daemon)
    recipe = trainer.orders[0].recipe
    assert (recipe.epochs, recipe.max_length, recipe.save_every) == (2, 64, 20)
    assert (world.processing / "a.jsonl.recipe.yaml").exists()
    report = json.loads((world.processing / "a.jsonl.report.json").read_text())
    assert (report["max_length"], report["steps"]) == (64, 2)
    assert list(folder.iterdir()) == []
    trainer.begin()
    trainer.complete(1)
    settle(daemon)
    assert (world.recently_completed / "a.jsonl.recipe.yaml").exists()
    assert trainer.orders[1].recipe.epochs == 1


@pytest.mark.parametrize(
    ("recipe", "why"),
    [
        ("epoch: 2\n", "a.jsonl.recipe.yaml: unknown key 'epoch'; allowed are"),
        ("epochs: many\n", "a.jsonl.recipe.yaml: epochs: a whole number is expected"),
        ("a: [\n", "a.jsonl.recipe.yaml: not readable as YAML"),
    ],
    ids=["unknown", "type", "yaml"],
)
def test_a_bad_recipe_fails_its_quest_in_words_and_it_can_be_retried(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, recipe: str, why: str
) -> None:
    (world.inbox / "a.jsonl.recipe.yaml").write_text(recipe)
    drop(world, "a.jsonl")
    settle(daemon)
    quest = Quest.objects.get()
    assert (quest.state, quest.refusal) == ("failed", "recipe")
    assert quest.reason.startswith(why)
    assert trainer.orders == []
    (world.failed / "a.jsonl.recipe.yaml").write_text("epochs: 2\n")
    quest_orders.send(world, act=Act.RETRY, quests=[quest], by="test")
    settle(daemon)
    assert trainer.orders[0].recipe.epochs == 2


def test_a_recipe_can_be_given_and_taken_away_while_the_quest_waits(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon
) -> None:
    drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    settle(daemon)
    waiting = Quest.objects.get(name="b")
    quest_orders.send(world, act=Act.RECIPE, quests=[waiting], recipe={"epochs": 5}, by="test")
    settle(daemon)
    assert Quest.objects.get(name="b").steps == 5
    beside = world.lane("normal") / "b.jsonl.recipe.yaml"
    assert beside.read_text() == "epochs: 5\n"
    quest_orders.send(world, act=Act.RECIPE, quests=[waiting], by="test")
    settle(daemon)
    assert not beside.exists()
    assert Quest.objects.get(name="b").steps == 1


def test_a_refused_battle_is_resolved_anew_by_itself_when_the_settings_change(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, clock: Clock
) -> None:
    drop(world, "a.jsonl")
    settle(daemon)
    refuse(trainer)
    settle(daemon)
    assert states() == {"a": "battling"}
    assert "change the settings, and the battle is resolved anew" in message(world)
    clock.now += 10
    settle(daemon)
    assert len(trainer.orders) == 1
    player.training(learning_rate=1e-3, epochs=3)
    clock.now += 10
    settle(daemon)
    assert [order.battle for order in trainer.orders] == [trainer.orders[0].battle] * 2
    assert (trainer.orders[1].recipe.epochs, order_of(world).recipe.learning_rate) == (3, 1e-3)
    assert "settings_changed" in told()


def test_or_on_resume_and_with_another_model(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, tmp_path: Path
) -> None:
    drop(world, "a.jsonl")
    settle(daemon)
    refuse(trainer)
    settle(daemon)
    base = tiny_hero.make_base(tmp_path / "other")
    player.config = replace(player.config, base_model=str(base))
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    assert (trainer.orders[1].base_model, trainer.orders[1].recipe.learning_rate) == (str(base), 1e-3)


def test_a_battle_that_has_trained_keeps_its_order(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, clock: Clock
) -> None:
    drop(world, "a.jsonl")
    settle(daemon)
    (Path(trainer.orders[0].battle_folder) / STEPS_FILE).write_bytes(bytes(StepRecord.SIZE))
    refuse(trainer)
    settle(daemon)
    player.training(epochs=3)
    clock.now += 10
    settle(daemon)
    assert len(trainer.orders) == 1
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    assert trainer.orders[1] == trainer.orders[0]


def test_twin_without_looking_at_the_steps_it_would_change_under_way(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(battles, "has_trained", lambda *_: False)
    test = test_a_battle_that_has_trained_keeps_its_order
    with pytest.raises(AssertionError):
        test(world, trainer, daemon, player, daemon._clock)  # type: ignore[arg-type]


def test_what_no_memory_holds_rests_with_numbers_until_the_budget_is_raised(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, clock: Clock
) -> None:
    player.config = replace(player.config, memory_budget_gb=0.1)
    drop(world, "a.jsonl")
    settle(daemon)
    assert trainer.orders == []
    assert states() == {"a": "queued"}
    assert "of 0.1 GB" in message(world)
    player.config = replace(player.config, memory_budget_gb=None)
    clock.now += 10
    settle(daemon)
    assert len(trainer.orders) == 1


def test_a_recipe_that_alone_does_not_fit_fails_its_quest(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings
) -> None:
    player.config = replace(player.config, memory_budget_gb=1.0)
    (world.inbox / "a.jsonl.recipe.yaml").write_text("max_length: 1000000\nmode: full\n")
    drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    settle(daemon)
    assert states()["a"] == "failed"
    assert "of 1 GB" in Quest.objects.get(name="a").reason
    assert [order.quest for order in trainer.orders] == ["b"]


def test_an_odd_rate_is_asked_about_once(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings
) -> None:
    player.training(learning_rate=1.0)
    drop(world, "a.jsonl")
    settle(daemon)
    assert trainer.orders == []
    assert "learning_rate 1 is 500 times 2e-3" in message(world)
    assert "resume to train with it all the same" in message(world)
    orders.send(world, wish=Wish.RESUME, by="test")
    settle(daemon)
    assert trainer.orders[0].recipe.learning_rate == 1.0
    trainer.begin()
    trainer.complete(1)
    drop(world, "b.jsonl")
    settle(daemon)
    assert [order.quest for order in trainer.orders] == ["a", "b"]
    assert not arena_status.read_rest(world)


def test_twin_without_the_question_it_is_fought_at_once(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Readiness, "_is_confirmed", lambda *_: True)
    player.training(learning_rate=1.0)
    drop(world, "a.jsonl")
    settle(daemon)
    assert trainer.orders[0].recipe.learning_rate == 1.0


def test_a_hub_model_that_cannot_be_had_is_named_and_the_quest_waits(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    player.config = replace(player.config, base_model="nobody/nothing")
    drop(world, "a.jsonl")
    settle(daemon)
    assert (trainer.orders, states()) == ([], {"a": "queued"})
    assert "base_model nobody/nothing is not on this machine: config.json, model*.safetensors" in message(world)
    assert "HF_HUB_OFFLINE forbids" in message(world)


def test_another_recipe_is_told_with_its_reason(
    world: World, trainer: FakeTrainer, daemon: ArenaDaemon, player: Settings
) -> None:
    player.training(mode="lora")
    drop(world, "a.jsonl")
    settle(daemon)
    (entry,) = ChronicleEntry.objects.filter(kind="recipe_chosen")
    assert entry.message.startswith("DIO trains a by LoRA r16, 2e-3, fp32: about ")
    assert trainer.orders[0].recipe_reason == entry.data["reason"]
