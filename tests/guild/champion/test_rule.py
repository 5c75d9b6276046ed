"""Who is the better of two checkpoints; what is measured over different sets is never compared (promise I5)."""

from typing import Any

import pytest

from guild.champion import rule
from guild.champion.rule import Candidate, Losses, best_of, champion_of, spelled
from realm.checkpoints.sidecar import MeasuredOver


def over(digest: str, rows: int = 60, name: str = "taught") -> MeasuredOver:
    return MeasuredOver(name=name, rows=rows, sha256=digest)


def candidate(step: int, *, held: tuple[int, ...] = (), lost: tuple[int, ...] = (), **facts: Any) -> Candidate:
    """Asked BIN's levels `held` and `lost`, unless `answered` says otherwise."""
    answers = {("bin", level): 0.96 for level in held} | {("bin", level): 0.0 for level in lost}
    return Candidate(name=f"checkpoint-{step}", step=step, **({"answered": answers, "known": answers} | facts))


def scored(step: int, loss: float, digest: str = "a", **facts: Any) -> Candidate:
    return candidate(step, val_loss=loss, val_set=over(digest), **facts)


def step_of(found: tuple[Candidate, str] | None) -> int | None:
    return found[0].step if found else None


def test_more_levels_held_win_whatever_the_loss() -> None:
    found = champion_of([scored(1, 0.2, held=(1,)), scored(2, 0.9, held=(1, 2))], "levels")
    assert found
    assert (found[0].step, found[1]) == (2, "holds BIN 1–2, it held BIN 1")


def test_of_equals_the_lower_loss_over_the_same_set_wins() -> None:
    found = champion_of([scored(1, 0.52, held=(1, 2, 3)), scored(2, 0.41, held=(1, 2, 3))], "levels")
    assert found
    assert (found[0].step, found[1]) == (2, "holds BIN 1–3, loss 0.41 < 0.52 over the same 60 rows")
    assert step_of(champion_of([scored(1, 0.41, held=(1,)), scored(2, 0.41, held=(1,))], "levels")) == 1


def forgetful() -> list[Candidate]:
    """The second one holds more levels and has the lower loss, but has lost level 1."""
    return [scored(1, 0.9, held=(1,)), scored(2, 0.1, lost=(1,), held=(2, 3))]


@pytest.mark.parametrize("metric", ["levels", "val_loss"])
def test_who_lost_a_level_is_never_crowned_over_one_that_holds_it(metric: str) -> None:
    assert step_of(champion_of(forgetful(), metric)) == 1


def test_twin_without_the_guard_the_forgetful_one_is_crowned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rule, "may_challenge", lambda holder, challenger: True)
    assert step_of(champion_of(forgetful(), "val_loss")) == 2


def incomparable() -> list[Candidate]:
    """Of equal levels; the second one's loss is lower, over other rows."""
    return [scored(1, 0.9, "a", held=(1,)), scored(2, 0.1, "b", held=(1,))]


@pytest.mark.parametrize("metric", ["levels", "val_loss"])
def test_losses_over_different_sets_never_compare(metric: str) -> None:
    assert step_of(champion_of(incomparable(), metric)) == 1
    assert rule.common_losses(*incomparable()) is None


def test_twin_compared_by_the_bare_number_the_other_set_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    def bare(holder: Candidate, challenger: Candidate) -> rule.Losses:
        return rule.Losses(holder=holder.val_loss or 0.0, challenger=challenger.val_loss or 0.0, rows=None)

    monkeypatch.setattr(rule, "common_losses", bare)
    assert step_of(champion_of(incomparable(), "levels")) == 2


def test_two_sets_compare_over_the_rows_that_they_share() -> None:
    """Weighted by rows; the player's own file is no part of what was taught, and bin/2 has other rows since."""
    names = {"bin/1": ("x", 20), "quest/mine": ("y", 40), "file/own": ("z", 1000), "bin/2": ("v", 20)}
    sets = {name: over(digest, rows, name) for name, (digest, rows) in names.items()}
    losses = {"bin/1": 0.2, "quest/mine": 0.5, "file/own": 0.1, "bin/2": 0.1}
    holder = scored(1, 0.3, "a", val_sets=sets, val_losses=losses)
    changed = sets | {"bin/2": over("w", 20, "bin/2")}
    better = losses | {"quest/mine": 0.2, "file/own": 9.0, "bin/2": 9.0}
    challenger = scored(2, 0.8, "b", val_sets=changed, val_losses=better)
    losses_of = rule.common_losses(holder, challenger)
    assert losses_of
    assert losses_of.rows == 60
    assert (losses_of.holder, losses_of.challenger) == (pytest.approx(0.4), pytest.approx(0.2))
    assert losses_of.better


def test_who_answered_nothing_is_not_crowned_over_one_who_did() -> None:
    unasked = scored(2, 0.1, known={("bin", 1): 1.0})
    assert step_of(champion_of([scored(1, 0.9, held=(1,)), unasked], "levels")) == 1


def test_an_old_checkpoint_that_does_not_name_its_set_gives_way() -> None:
    old = candidate(1, val_loss=0.1, held=(1,))
    assert step_of(champion_of([old, scored(2, 0.9, held=(1,))], "levels")) == 2
    assert best_of([old, scored(2, 0.9)], "val_loss") == scored(2, 0.9)


def test_the_metric_can_be_chosen() -> None:
    mine = over("y", 40, "quest/mine")
    one = scored(1, 0.5, train_loss=0.1, held=(1,), val_sets={"quest/mine": mine}, val_losses={"quest/mine": 0.9})
    two = scored(2, 0.4, train_loss=0.3, held=(1, 2), val_sets={"quest/mine": mine}, val_losses={"quest/mine": 0.3})
    better = {("bin", 1): 1.0}
    three = scored(3, 0.6, train_loss=0.2, held=(1,), answered=better, known=better)
    found = {metric: best_of([one, two, three], metric) for metric in (*rule.METRICS, "quest/mine", "bin/9")}
    assert {metric: best and best.step for metric, best in found.items()} == {
        "levels": 2, "val_loss": 2, "train_loss": 1, "accuracy": 3, "quest/mine": 2, "bin/9": None,
    }  # fmt: skip


def test_a_named_set_whose_rows_changed_begins_anew() -> None:
    before = {"val_sets": {"quest/mine": over("x", 40)}, "val_losses": {"quest/mine": 0.1}}
    after = {"val_sets": {"quest/mine": over("y", 40)}, "val_losses": {"quest/mine": 0.9}}
    best = best_of([candidate(1, **before), candidate(2, **after)], "quest/mine")
    assert best
    assert best.step == 2


@pytest.mark.parametrize("metric", ["pk", "", "bin/", "/3"])
def test_an_unknown_metric_is_named(metric: str) -> None:
    with pytest.raises(ValueError, match="is not known; known are train_loss, val_loss, levels, accuracy"):
        best_of([], metric)


def test_levels_are_spelled_in_ranges() -> None:
    assert spelled([("sy", 1), ("bin", 5), ("bin", 2), ("bin", 1), ("bin", 3)]) == "BIN 1–3, 5; SY 1"


def test_close_losses_are_told_apart() -> None:
    assert str(Losses(holder=1.35312, challenger=1.35308, rows=36)) == "loss 1.35308 < 1.35312 over the same 36 rows"
