import random
import statistics

import pytest

from arena.convergence import LEAST_STEPS, PATIENCE, WINDOW, Convergence, Trend


def fed(losses: list[float], loss_before: float | None = None) -> tuple[Convergence, list[tuple[int, Trend]]]:
    convergence = Convergence(loss_before)
    trends = [(step, convergence.add(step, loss)) for step, loss in enumerate(losses, start=1)]
    return convergence, [(step, trend) for step, trend in trends if trend]


def test_rolling_mean_and_variance_are_those_of_the_window() -> None:
    source = random.Random(0)
    losses = [source.uniform(0, 6) for _ in range(3 * WINDOW)]
    convergence, _ = fed(losses)
    assert convergence.mean == pytest.approx(statistics.fmean(losses[-WINDOW:]))
    assert convergence.variance == pytest.approx(statistics.pvariance(losses[-WINDOW:]))


def test_a_huge_loss_leaves_nothing_behind_when_it_leaves_the_window() -> None:
    """A sum that is kept would keep the rounding of the huge one: here all that the others add up to."""
    convergence, _ = fed([1e17] + [0.5] * (2 * WINDOW))
    assert convergence.mean == 0.5
    assert convergence.variance == 0.0


def test_too_few_steps_say_nothing() -> None:
    convergence, trends = fed([1.0] * (LEAST_STEPS - 1))
    assert convergence.mean is None
    assert convergence.variance is None
    assert not trends


def test_a_loss_that_falls_warns_of_nothing() -> None:
    _, trends = fed([6 / (1 + step / 100) + random.Random(step).gauss(0, 0.2) for step in range(2000)])
    assert not trends


def test_a_loss_that_no_longer_falls_stagnates_and_is_told_once() -> None:
    _, trends = fed([2 + random.Random(step).gauss(0, 0.1) for step in range(4 * PATIENCE)])
    assert [trend for _, trend in trends] == [Trend.STAGNATION]
    assert trends[0][0] > PATIENCE


def test_a_loss_that_rises_diverges_from_its_best_step() -> None:
    fell, rose = [4 - 0.03 * step for step in range(100)], [1 + 0.2 * step for step in range(100)]
    convergence, trends = fed(fell + rose)
    assert trends[0][1] == Trend.DIVERGENCE
    assert 90 <= convergence.best_step <= 115
    assert "its best" in convergence.summary()


def test_a_hero_that_is_ruined_from_the_first_step_on_diverges_to_before_it() -> None:
    convergence, trends = fed([1.2] + [60.0 + step % 7 for step in range(30)])
    assert trends[0] == (LEAST_STEPS, Trend.DIVERGENCE)
    assert convergence.best_step == 0


def test_one_bad_step_is_no_divergence() -> None:
    _, trends = fed([1.0] * 60 + [9.0] + [1.0] * 60)
    assert not trends


A_KNOWN_ROW_FIRST = [0.0003] + [1.4] * 30


def test_a_first_step_of_nothing_new_is_no_measure_of_the_others() -> None:
    _, trends = fed(A_KNOWN_ROW_FIRST, loss_before=1.3)
    assert not trends


def test_without_the_loss_of_many_rows_it_would_be() -> None:
    """The twin."""
    _, trends = fed(A_KNOWN_ROW_FIRST)
    assert trends[0] == (LEAST_STEPS, Trend.DIVERGENCE)


def test_a_hero_that_was_fine_before_and_is_ruined_at_once_diverges() -> None:
    convergence, trends = fed([60.0] * 30, loss_before=1.2)
    assert trends[0] == (LEAST_STEPS, Trend.DIVERGENCE)
    assert convergence.best_step == 0
