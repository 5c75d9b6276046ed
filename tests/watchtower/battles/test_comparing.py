"""Battles beside each other: what is ranked was measured over the same rows, and the sentence says only that."""

from __future__ import annotations

import math

import pytest

from arena.models import Battle
from guild.models import Evaluation
from realm.world import World
from tests.support.checkpoints import make_checkpoint
from tests.support.fought import ROWS, fought, won
from tests.watchtower.factories import tell
from vault.index import scan
from vault.models import Checkpoint
from watchtower.battles import comparing, deeds, drawing, efficiency, facts, figures, verdict, weights
from watchtower.battles.comparing import CannotCompare, Comparison
from watchtower.battles.drawing import Axis
from watchtower.machines import energy_meter

pytestmark = pytest.mark.django_db
OTHER = ROWS | {"sha256": "b" * 64}


def compared(world: World) -> Comparison:
    return comparing.compare(world, ["a", "b"])


def of_other_rows(world: World) -> Comparison:
    fought(world, "a", scores=(3.0, 2.0))
    fought(world, "b", scores=(3.0, 1.0), over=OTHER)
    return compared(world)


def test_one_change_and_the_same_rows_give_a_verdict(world: World) -> None:
    won(fought(world, "a", scores=(3.0, 2.0)), 4)
    won(fought(world, "b", scores=(3.0, 1.5), learning_rate=1e-3), 1, kind="skill_level_lost")
    found = compared(world)
    assert [row.key for row in found.differences] == ["learning_rate"]
    assert [row.lowest for row in found.losses] == [1]
    assert found.verdict == (
        "Over the same 40 rows of quest/q b ends lowest, 1.5 against 2 of a; a won BIN 3; b lost BIN 1; rows and "
        "beginning are the same, and of the recipe only learning_rate differs."
    )


def test_a_level_that_a_host_measured_is_won_by_the_battle_that_saved_the_checkpoint(world: World) -> None:
    """Also where the checkpoint has made room; that of another battle is no deed of this one."""
    for battle in ("a", "b"):
        fought(world, battle)
        tell(battle, 1, kind="checkpoint_saved", name=f"checkpoint-4-{battle}")
    for seq, battle in enumerate("ab", start=1):
        place = {"skill": "bin", "level": seq + 1, "checkpoint": f"checkpoint-4-{battle}"}
        tell("evaluation:skill_level_up", seq, kind="skill_level_up", **place)
    assert deeds.of_battles(["b"]) == {"b": deeds.Deeds(won=("BIN 2",))}


def test_losses_over_other_rows_are_never_ranked(world: World) -> None:
    found = of_other_rows(world)
    assert found.verdict.startswith("No set of rows was scored by all of them, so their losses are not ranked")
    assert [row.lowest for row in found.losses] == [None, None]
    assert [row.values for row in found.losses] == [(2.0, None), (None, 1.0)]


def test_twin_by_the_name_alone_they_would_be_ranked(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures.SetLoss, "key", property(lambda self: (self.name, self.rows, "any")))
    assert "b ends lowest, 1 against 2 of a" in of_other_rows(world).verdict


@pytest.mark.parametrize(
    ("second", "said"),
    [
        ({"checkpoint": "checkpoint-5-20260101-1200"}, "they began from different checkpoints"),
        ({"sha256": "d" * 64}, "they trained on different rows"),
        ({"epochs": 2, "weight_decay": 0.1}, "2 keys of the recipe differ"),
        ({}, "recipe, rows and beginning are the same"),
        ({"scores": (3.0, 2.0)}, "a and b end alike, at 2"),
    ],
)
def test_nothing_is_laid_on_the_recipe_that_may_come_from_elsewhere(world: World, second: dict, said: str) -> None:  # type: ignore[type-arg]
    fought(world, "a", scores=(3.0, 2.0))
    fought(world, "b", **second)
    assert said in compared(world).verdict


def of_unknown_rows(world: World) -> str:
    fought(world, "a", sha256="")
    fought(world, "b", sha256="", learning_rate=1e-3)
    return compared(world).verdict


def test_what_nobody_knows_is_not_the_same(world: World) -> None:
    assert "of one of them the rows cannot be told any more" in of_unknown_rows(world)
    for name in "ab":
        (world.battles / name / "events.jsonl").unlink()
    assert "of one of them the beginning cannot be told any more" in compared(world).verdict


def test_twin_two_unknown_ones_would_be_alike(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparing, "_alike", lambda values: len(set(values)) == 1)
    assert "rows and beginning are the same" in of_unknown_rows(world)


def test_a_checkpoint_of_that_name_of_another_hero_is_another_beginning(world: World) -> None:
    for name in "ab":
        fought(world, name, checkpoint="checkpoint-5-20260101-1200")
    assert "rows and beginning are the same" in compared(world).verdict
    Battle.objects.filter(battle_id="b").update(hero="GALAHAD")
    assert "they began from different checkpoints" in compared(world).verdict


def test_six_are_compared_and_a_seventh_is_refused_in_words(world: World) -> None:
    names = [f"b{number}" for number in range(7)]
    for name in names:
        fought(world, name)
    assert len(comparing.compare(world, [",".join(names[:6])]).sides) == 6
    with pytest.raises(CannotCompare, match="7 battles are more than can be told apart; 6"):
        comparing.compare(world, names)
    with pytest.raises(CannotCompare, match="two battles at least"):
        comparing.compare(world, ["b0", "b0"])


def test_one_battle_says_what_it_came_to(world: World) -> None:
    battle = fought(world, "a", losses=(4.0, 2.0), scores=(3.0, 2.0))
    won(battle, 4)
    won(battle, 2, kind="skill_level_lost")
    side = facts.read(world, battle)
    assert side.verdict == (
        "Completed after 2 steps: training loss 3 → 2.99; over the same 40 rows of quest/q the loss fell from 3 to 2; "
        "BIN 3 won; BIN 2 lost."
    )
    assert [(proof.what, proof.holds) for proof in side.proofs] == [("packing", True), ("resume", True)]
    assert verdict.of_one(battle, None, deeds.NONE) == "Completed; no step of it was measured."


def test_a_level_costs_what_was_measured_over_levels_won(world: World) -> None:
    won(fought(world, "a"), 2)
    won(fought(world, "b", epochs=2), 3)
    fought(world, "c")
    found = efficiency.efficiency(world)
    assert (found.battles, found.total.levels_won, found.total.tokens) == (3, 2, 3 * 4 * 100)
    assert found.total.tokens_per_level == 600.0
    assert found.total.watt_hours_per_level is None
    assert {one.name: one.tokens_per_level for one in found.recipes} == {"as shipped": 800.0, "epochs 2": 400.0}
    assert [one.name for one in found.quests] == ["b", "a"]


def test_energy_is_told_where_all_of_a_group_was_measured(world: World) -> None:
    for name in ("a", "b"):
        won(fought(world, name), 2)
    energy_meter.append(world.battles / "a" / energy_meter.FILE, 1.0, 1.0, 3600.0, None)
    by_quest = {one.name: one for one in efficiency.efficiency(world).quests}
    assert (by_quest["a"].watt_hours_per_level, by_quest["b"].watt_hours_per_level) == (1.0, None)
    assert efficiency.efficiency(world).total.watt_hours is None


@pytest.mark.parametrize(("axis", "right"), [(Axis.STEPS, 4.0), (Axis.TOKENS, 400.0), (Axis.TIME, 2.0), (Axis.ROWS, 8)])
def test_a_curve_goes_by_steps_tokens_time_and_rows(world: World, axis: Axis, right: float) -> None:
    side = facts.read(world, fought(world))
    assert side.source
    curve = drawing.curve_of(side.source, "t", axis)
    assert curve.x[-1] == pytest.approx(right)
    assert curve.loss.tolist() == [4.0, 3.0, 2.0, 1.0]


def test_a_broken_step_is_a_gap_and_labels_differ(world: World) -> None:
    fought(world, losses=(2.0, math.nan, 1.0))
    side = facts.read(world, comparing.finding.get("newest"))
    picture, scores = (one.svg for one in comparing.drawn([side], Axis.STEPS))
    assert picture.count("M") == 2
    assert scores.count("<circle") == 2
    assert "nan" not in picture.lower()
    for low, high in ((0, 1248), (1.0, 1.001), (11.0, 11.4), (0, 3e7)):
        labels = [text for _, text in drawing.ticks(low, high)]
        assert len(set(labels)) == len(labels) > 2


def test_levels_are_told_as_they_were_answered_before_and_after(world: World) -> None:
    battle = fought(world, checkpoint="before")
    after = make_checkpoint(world.heroes, 7).name
    scan(world)
    Checkpoint.objects.update(battle=battle.battle_id)
    for name, level, correct in (("before", 1, 24), (after, 1, 20), (after, 2, 25)):
        Evaluation.objects.create(
            hero="DIO", checkpoint=name, step=7, skill="bin", level=level, correct=correct, total=25,
            evaluated_at=battle.started_at,
        )  # fmt: skip
    told = [(one.level, one.before, one.after) for one in facts.read(world, battle).levels]
    assert told == [("BIN 1", "24/25", "20/25"), ("BIN 2", None, "25/25")]


def test_weights_that_cannot_be_read_say_why(world: World) -> None:
    battle = fought(world)
    side = facts.read(world, battle)
    assert side.source
    assert "base model" in weights.moved(world, battle, side.source).why_not
