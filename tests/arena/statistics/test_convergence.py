"""A battle's convergence is what its own judgement says; sets are never mixed, scores of undone steps never kept."""

import random
from pathlib import Path

import numpy as np
import pytest

from arena.convergence import DIVERGED_OFFSET, DIVERGED_RATIO, PATIENCE, Convergence, Trend
from arena.protocol import EventKind
from arena.statistics import convergence
from arena.statistics.battle import of_source
from arena.statistics.convergence import ConvergenceMetrics
from arena.statistics.source import Source
from tests.arena.statistics.factories import Told, battle, records


def losses(seed: int) -> list[float]:
    """Falling, resting, jumping, as long as the seed says."""
    source = random.Random(seed)
    loss, made = 4.0, []
    for _ in range(source.choice([0, 1, 19, 20, 49, 50, 51, 400, 1500])):
        loss *= source.choice([0.99, 1.0, 1.0, 1.004])
        made.append(float(np.float32(loss + source.gauss(0, 0.1) + (9 if source.random() < 0.002 else 0))))
    return made


def metrics(folder: Path, made: list[float], told: Told | None = None) -> ConvergenceMetrics:
    return of_source(battle(folder, records(len(made), loss=made), told)).convergence


def assert_as_the_battle_judges(found: ConvergenceMetrics, made: list[float], before: float | None = None) -> None:
    judge, stagnant = Convergence(before), False
    trends = [judge.add(step, loss) for step, loss in enumerate(made, start=1)]
    assert found.loss_avg == (None if judge.mean is None else pytest.approx(judge.mean))
    assert found.loss_variance == (None if judge.variance is None else pytest.approx(judge.variance, abs=1e-9))
    assert found.loss_best_step == (judge.best_step if made else None)
    assert found.diverged == (bool(made) and trends[-1] == Trend.DIVERGENCE)
    stagnant = judge._count - judge._milestone_count >= PATIENCE and judge.mean is not None
    assert found.stagnation_detected == stagnant


@pytest.mark.parametrize("seed", range(12))
def test_figures_are_those_of_the_battles_own_judgement(tmp_path: Path, seed: int) -> None:
    made = losses(seed)
    assert_as_the_battle_judges(metrics(tmp_path / "b", made), made)
    told = Told().begin(loss_before=0.3)
    assert_as_the_battle_judges(metrics(tmp_path / "before", made, told), made, 0.3)


def test_twin_that_forgets_the_loss_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence, "_beginning", lambda source: (-1, None))
    made = losses(4)
    found = metrics(tmp_path / "b", made, Told().begin(loss_before=0.3))
    with pytest.raises(AssertionError):
        assert_as_the_battle_judges(found, made, 0.3)


def test_a_loss_that_ran_away_has_diverged(tmp_path: Path) -> None:
    made = [1.0] * 60 + [1.0 * DIVERGED_RATIO + DIVERGED_OFFSET + 0.1] * 60
    found = metrics(tmp_path / "b", made)
    assert found.diverged
    assert_as_the_battle_judges(found, made)


def nan_among(folder: Path) -> None:
    """Releases before wrote such steps down; the battle's judgement never heard of them."""
    made = [2.0] * 30 + [float("nan"), float("inf")] + [2.0] * 30
    found = metrics(folder, made)
    assert (found.loss_avg, found.loss_variance, found.loss_best) == (2.0, 0.0, 2.0)
    assert found.windows[5].loss_avg == 2.0


def test_what_is_no_number_counts_for_nothing(tmp_path: Path) -> None:
    nan_among(tmp_path / "b")


def test_twin_that_counts_what_is_no_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convergence.np, "isfinite", lambda values: np.ones(np.shape(values), bool))
    with pytest.raises(AssertionError), np.errstate(invalid="ignore"):
        nan_among(tmp_path / "b")


def test_windows_are_equal_stretches(tmp_path: Path) -> None:
    made = [random.Random(7).uniform(0, 5) for _ in range(1003)]
    seen = metrics(tmp_path / "b", made).windows
    assert [(one.first_step, one.last_step) for one in seen][:2] == [(1, 101), (102, 202)]
    assert seen[-1].last_step == 1003
    for one in seen:
        part = np.float32(made[one.first_step - 1 : one.last_step]).astype(np.float64)
        assert (one.loss_avg, one.loss_variance) == (pytest.approx(part.mean()), pytest.approx(part.var()))


def scored(told: Told, step: int, loss: float, digest: str = "a" * 64, **data: object) -> Told:
    over = {"name": "sum/1", "rows": 5, "sha256": digest}
    return told.say(EventKind.VALIDATED, step=step, losses={"sum/1": loss}, sets={"sum/1": over}, **data)


def undone_and_changed(folder: Path) -> None:
    told = scored(scored(Told().begin(), 0, 3.0), 20, 0.1)
    told.say(EventKind.FAULT, step=25, fault="divergence", undone_after=10)
    scored(scored(told, 20, 2.0), 30, 2.5)
    scored(scored(told, 40, 0.5, "b" * 64), 50, 0.6, "b" * 64)
    first, second = metrics(folder, [1.0] * 60, told).validation
    assert (first.first, first.best, first.best_step, first.last) == (3.0, 2.0, 20, 2.5)
    assert (second.first, second.best, second.best_step, second.last) == (0.5, 0.5, 40, 0.6)


def test_scores_of_undone_steps_and_of_other_rows_stay_apart(tmp_path: Path) -> None:
    undone_and_changed(tmp_path / "b")


def test_twin_that_keeps_undone_scores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Source, "standing", lambda self, *kinds: [e for e in self.events if e.kind in kinds])
    with pytest.raises(AssertionError):
        undone_and_changed(tmp_path / "b")


def test_the_one_set_of_older_releases_is_read(tmp_path: Path) -> None:
    told = Told().begin().say(EventKind.VALIDATED, step=5, val_loss=1.5, losses={})
    (only,) = metrics(tmp_path / "b", [1.0] * 9, told).validation
    assert (only.name, only.rows, only.last) == ("validation", None, 1.5)
