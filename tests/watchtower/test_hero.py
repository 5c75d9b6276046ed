from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from arena.models import Battle, Quest
from guild.skills.registry import read_skills
from realm.checkpoints.sidecar import SIDECAR, MeasuredOver
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.watchtower.factories import HERO, append_steps, make_battle, record
from vault.index import scan
from vault.models import Checkpoint
from watchtower import strength
from watchtower.hero import hero_card

pytestmark = pytest.mark.django_db
TAUGHT = {"name": "taught", "rows": 60, "sha256": "a" * 64}


def _checkpoint(world: World, step: int, **fields: Any) -> Checkpoint:
    values = {"train_loss": 0.5, "val_loss": 0.8, "val_set": TAUGHT} | fields
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
    assert card.attack_of == "train loss of checkpoint 2,400"
    assert card.defense_of == "validation loss of checkpoint 2,400 over 60 rows of what it was taught"


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


def test_attack_is_over_the_last_hundred_steps_that_hold(world: World) -> None:
    """Across battles; not those done again since, nor those after the newest checkpoint, nor a loss that is none."""
    _checkpoint(world, 160, train_loss=1e-6)
    make_battle(world, state=Battle.State.COMPLETED)
    append_steps(world, "b1", [record(step, loss=4.0) for step in range(1, 101)])
    make_battle(world, "b2")
    append_steps(world, "b2", [record(step, loss=2.0 if step <= 160 else 9.0) for step in range(101, 171)])
    append_steps(world, "b1", [record(101, loss=7.0)])
    card = hero_card(world, HERO)
    assert card.attack_of == "mean train loss of the last 100 steps"
    assert card.attack == pytest.approx(1 / 2.8)


def test_defense_says_over_what_it_is(world: World) -> None:
    names = {"bin/1": 20, "bin/2": 20, "bin/3": 20, "sy/1": 10, "quest/mine": 40, "file/own": 5}
    sets = {name: MeasuredOver(name=name, rows=rows, sha256=name) for name, rows in names.items()}
    taught = MeasuredOver(name="taught", rows=110, sha256="a")
    make_checkpoint(world.heroes, 100, hero=HERO, val_loss=0.5, val_set=taught, val_sets=sets)
    make_checkpoint(world.heroes, 200, hero=HERO, val_loss=None)
    scan(world)
    card = hero_card(world, HERO)
    over = "3 levels of BIN, 1 of SY and 40 held-out rows (110 rows)"
    assert (card.defense, card.defense_of) == (2.0, f"validation loss of checkpoint 100 over {over}")


def unnamed(world: World) -> float | None:
    """DEF by a checkpoint that does not say over what it was scored."""
    make_checkpoint(world.heroes, 100, hero=HERO, val_loss=0.5)
    scan(world)
    return hero_card(world, HERO).defense


def test_a_loss_over_nobody_knows_what_is_no_defense(world: World) -> None:
    assert unnamed(world) is None


def test_twin_taken_for_any_set_it_would_be_one(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = strength.vault.walk_line

    def named(world: World, hero: str) -> Iterator[Checkpoint]:
        for row in listed(world, hero):
            row.val_set = TAUGHT
            yield row

    monkeypatch.setattr(strength.vault, "walk_line", named)
    assert unnamed(world) == 2.0


def test_each_skill_is_asked_for_once(world: World, django_assert_max_num_queries: Callable[..., Any]) -> None:
    """The card is made anew whenever anything was told."""
    make_checkpoint(world.heroes, 100, hero=HERO, val_loss=0.5)
    scan(world)
    with django_assert_max_num_queries(2 * len(read_skills()) + 10):
        hero_card(world, HERO)


def test_attack_compares_with_the_checkpoint_before_also_in_a_battle(world: World) -> None:
    losses = np.full(100, 1.0, np.float32)
    _checkpoint(world, 100, train_loss=4.0)
    first = hero_card(world, HERO).fighting(losses)
    assert (first.attack, first.attack_before, first.attack_since) == (1.0, 0.25, 100)
    _checkpoint(world, 200, train_loss=1.0)
    second = hero_card(world, HERO).fighting(losses)
    assert (second.attack, second.attack_before, second.attack_since) == (1.0, 0.25, 100), "never with itself"
