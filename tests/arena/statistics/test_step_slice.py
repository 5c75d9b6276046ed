"""Steps against those before them, read in slices of any size or thinned, as they stand in the file."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from arena.protocol import STEPS_FILE
from arena.statistics import step_slice
from arena.statistics.step_slice import FORGET, Hit, StepPoint
from tests.watchtower.factories import record

FIRST, COUNT = 41, 900


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    noise = np.random.default_rng(3).normal(3, 0.2, COUNT)
    noise[300], noise[600] = 0.5, 9.0
    records = [record(FIRST + at, quest_step=at + 1, loss=float(loss)) for at, loss in enumerate(noise)]
    (tmp_path / STEPS_FILE).write_bytes(b"".join(one.pack() for one in records) + b"half a record")
    return tmp_path


def by_hand(folder: Path) -> dict[int, tuple[float, float]]:
    """Mean and spread before each step, one after the other as a page learns them."""
    found, total, weight, square = {}, 0.0, 0.0, 0.0
    for point in step_slice.read(folder).steps:
        assert point.loss is not None
        mean = total / weight if weight else point.loss
        found[point.step] = (mean, math.sqrt(square / weight) if weight else 0.0)
        total = FORGET * total + (1 - FORGET) * point.loss
        square = FORGET * square + (1 - FORGET) * (point.loss - mean) ** 2
        weight = FORGET * weight + (1 - FORGET)
    return found


def check_slices_agree(folder: Path) -> None:
    whole = step_slice.read(folder)
    assert [point.step for point in whole.steps] == list(range(FIRST, FIRST + COUNT))
    assert (whole.first, whole.last, whole.count, whole.next) == (FIRST, FIRST + COUNT - 1, COUNT, None)
    told: list[StepPoint] = []
    since: int | None = 0
    while since is not None:
        part = step_slice.read(folder, since=since, limit=250)
        told, since = told + part.steps, part.next
    assert told == whole.steps
    expected = by_hand(folder)
    for point in whole.steps[20:]:
        mean, spread = expected[point.step]
        assert point.mean == pytest.approx(mean, rel=1e-3)
        assert point.spread == pytest.approx(spread, rel=0.05)


def test_slices_of_any_size_tell_the_same(folder: Path) -> None:
    check_slices_agree(folder)


def test_twin_without_the_steps_before_it_a_slice_tells_otherwise(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(step_slice, "MEMORY", 5)
    with pytest.raises(AssertionError):
        check_slices_agree(folder)


def test_a_blow_is_critical_or_a_glance_by_the_losses_alone(folder: Path) -> None:
    points = {point.step: point for point in step_slice.read(folder).steps}
    assert points[FIRST + 300].hit is Hit.CRIT
    assert points[FIRST + 600].hit is Hit.GLANCE
    assert {points[FIRST + at].hit for at in range(10)} == {Hit.HIT}


def test_thinned_it_keeps_ends_and_extremes_and_what_they_are_held_against(folder: Path) -> None:
    few = step_slice.thinned(folder, points=40, since=FIRST + 100)
    assert 20 < len(few.steps) <= 40
    kept = {point.step: point for point in few.steps}
    assert {FIRST + 100, FIRST + 300, FIRST + 600, FIRST + COUNT - 1} <= kept.keys()
    whole = {point.step: point for point in step_slice.read(folder).steps}
    assert all(whole[step] == point for step, point in kept.items())


def test_stretches_that_hold_nothing(folder: Path, tmp_path: Path) -> None:
    assert step_slice.read(folder, since=FIRST + COUNT).steps == []
    assert step_slice.read(folder, since=50, until=49).steps == []
    assert step_slice.one(folder, FIRST - 1) is None
    assert step_slice.read(tmp_path / "none").first is None


def test_a_blow_without_a_spread_is_a_hit_as_in_the_scene() -> None:
    assert step_slice.hit_of(1.0, 2.0, 0.0) == step_slice.Hit.HIT
    assert step_slice.hit_of(1.0, 2.0, 0.5) == step_slice.Hit.CRIT
