from datetime import UTC, datetime
from typing import Any

import pytest

from arena.models import Battle, Quest
from realm.checkpoints.sidecar import SIDECAR
from realm.world import World
from tests.watchtower.factories import HERO, append_steps, make_battle, record
from vault.models import Checkpoint
from watchtower.hero import hero_card

pytestmark = pytest.mark.django_db


def _checkpoint(world: World, step: int, **fields: Any) -> Checkpoint:
    values = {"train_loss": 0.5, "val_loss": 0.8} | fields
    name = f"checkpoint-{step}-20260101-0000"
    (world.heroes / HERO / name).mkdir(parents=True)
    (world.heroes / HERO / name / SIDECAR).write_text("{}")
    return Checkpoint.objects.create(
        name=name, hero=HERO, step=step, created_at=datetime.now(UTC), epoch=0,
        learning_rate=0.001, quest="q", battle="b", size_bytes=1, sidecar_sha256="0" * 64, **values,
    )  # fmt: skip


def test_a_new_hero_knows_nothing_of_its_strength(world: World) -> None:
    card = hero_card(world, HERO)
    assert (card.name, card.level, card.xp, card.next_level_xp, card.gold) == (HERO, 0, 0, 1000, 0)
    assert (card.attack, card.defense, card.accuracy, card.accuracy_of) == (None, None, None, None)


def test_stats_come_from_the_newest_checkpoint(world: World) -> None:
    _checkpoint(world, 1200, train_loss=0.25)
    _checkpoint(world, 2400)
    card = hero_card(world, HERO)
    assert (card.xp, card.level, card.next_level_xp) == (2400, 2, 3000)
    assert (card.attack, card.defense) == (2.0, 1.25)


def test_a_loss_that_was_not_measured_gives_no_stat(world: World) -> None:
    _checkpoint(world, 10, train_loss=None, val_loss=0.0)
    card = hero_card(world, HERO)
    assert (card.attack, card.defense) == (None, None)


def test_steps_of_the_running_battle_count(world: World) -> None:
    _checkpoint(world, 999)
    make_battle(world)
    append_steps(world, "b1", [record(1000), record(1001)])
    assert (hero_card(world, HERO).xp, hero_card(world, HERO).level) == (1001, 1)


def test_steps_of_a_failed_battle_do_not(world: World) -> None:
    _checkpoint(world, 999)
    make_battle(world, state=Battle.State.FAILED)
    append_steps(world, "b1", [record(5000)])
    assert hero_card(world, HERO).xp == 999


def test_gold_counts_each_completed_quest_once(world: World) -> None:
    battle = make_battle(world, state=Battle.State.STOPPED)
    Battle.objects.create(battle_id="again", quest=battle.quest, hero=HERO, started_at=datetime.now(UTC))
    make_battle(world, "other", hero="Somebody")
    Quest.objects.update(state=Quest.State.COMPLETED)
    card = hero_card(world, HERO)
    assert (card.quests_completed, card.gold) == (1, 100)


def test_another_heros_checkpoints_are_not_ours(world: World) -> None:
    _checkpoint(world, 50)
    Checkpoint.objects.update(hero="Somebody")
    assert hero_card(world, HERO).xp == 0


def test_a_checkpoint_that_is_not_on_disk_does_not_count(world: World) -> None:
    _checkpoint(world, 100)
    gone = _checkpoint(world, 200, train_loss=0.1)
    (world.heroes / HERO / gone.name / SIDECAR).unlink()
    card = hero_card(world, HERO)
    assert (card.xp, card.attack) == (100, 2.0)
