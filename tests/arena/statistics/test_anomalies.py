"""What stands out in a battle, held against the rule spelt out step by step; and what went wrong, counted."""

import statistics
from pathlib import Path

import numpy as np
import pytest

from arena.convergence import WINDOW
from arena.protocol import EventKind
from arena.statistics import anomalies
from arena.statistics.anomalies import DEVIATIONS, LOSS_RATIO, Anomaly
from arena.statistics.battle import of_source
from tests.arena.statistics.factories import Told, battle, records


def jumpy() -> list[float]:
    random = np.random.default_rng(11)
    loss = np.abs(random.normal(2.0, 0.15, 900))
    loss[random.integers(0, 900, 30)] *= random.uniform(1.2, 4, 30)
    loss[300] = np.nan
    return [float(one) for one in loss.astype(np.float32)]


def by_hand(loss: list[float]) -> list[int]:
    found, before = [], list[float]()
    for step, value in enumerate(loss, start=1):
        if not np.isfinite(value):
            continue
        window = before[-WINDOW:]
        if len(window) == WINDOW:
            mean, deviation = statistics.fmean(window), statistics.pstdev(window)
            if value > LOSS_RATIO * mean and value > mean + DEVIATIONS * deviation:
                found.append(step)
        before.append(value)
    return found


def jumps(folder: Path) -> list[Anomaly]:
    found = of_source(battle(folder, records(900, loss=jumpy()))).anomalies
    return [one for one in found if one.kind == "loss_jump"]


def test_jumps_are_those_of_the_rule(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = by_hand(jumpy())
    assert len(wanted) > 3
    assert [one.step for one in jumps(tmp_path / "b")] == wanted
    monkeypatch.setattr(anomalies, "_AT_ONCE", 7)
    assert [one.step for one in jumps(tmp_path / "pieces")] == wanted


def test_twin_with_the_step_itself_in_its_window(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(anomalies, "WINDOW", WINDOW + 40)
    assert [one.step for one in jumps(tmp_path / "b")] != by_hand(jumpy())


def test_what_was_not_finite_is_named_with_its_place(tmp_path: Path) -> None:
    told = Told().begin()
    place = {"tensor": "model.norm.weight", "index": [3], "value": "nan"}
    told.say(EventKind.FAULT, step=7, fault="non_finite", lines=[2, 9], not_finite=place, message="step 7: loss nan")
    told.say(EventKind.FAULT, step=8, fault="non_finite", message="of a release that did not look")
    told.say(EventKind.FAULT, step=9, fault="out_of_memory", rows_per_micro_batch=2)
    told.say(EventKind.CHECKPOINT_FAILED, step=9, message="no room")
    found = of_source(battle(tmp_path / "b", records(20), told))
    first, second = found.anomalies
    assert (first.step, first.tensor, first.index, first.lines) == (7, "model.norm.weight", (3,), (2, 9))
    assert (second.tensor, second.index) == (None, None)
    assert found.errors.counts == {"non_finite": 2, "out_of_memory": 1, "checkpoint_failed": 1}
    assert (found.errors.total, found.errors.per_thousand_steps) == (4, 200.0)
    assert found.errors.last[-1] == "no room"


def test_weights_that_leap_between_checkpoints_are_named(tmp_path: Path) -> None:
    told = Told().begin()
    for step, change in ((10, 0.1), (20, 0.2), (30, 0.3), (40, 2.3), (50, 2.4)):
        covered = {"weights": 1.0, "change": change, "most_changed": "lm_head.weight"}
        told.say(EventKind.CHECKPOINT_SAVED, step=step, name=f"c{step}", coverage=covered)
    (leap,) = of_source(battle(tmp_path / "b", records(60), told)).anomalies
    assert (leap.kind, leap.step, leap.tensor) == ("weight_jump", 40, "lm_head.weight")
    assert leap.value == pytest.approx(0.2)
    assert leap.expected == pytest.approx(0.01)


def test_coverage_is_held_against_its_thresholds_once_the_data_was_seen(tmp_path: Path) -> None:
    covered = {"weights": 0.99, "vocabulary_rows": 0.5, "vocabulary_rows_in_data": 0.8, "rows_in_data": 1000}

    def missed(total: int) -> list[str]:
        told = Told().begin(total_steps=total)
        told.say(EventKind.CHECKPOINT_SAVED, step=40, at=40, name="c", stall_seconds=0.0, coverage=covered)
        found = of_source(battle(tmp_path / str(total), records(40, step_seconds=1.0), told))
        assert found.update_coverage is not None
        assert found.update_coverage.average_updates_per_row == pytest.approx(4.0)
        return [one.name for one in found.thresholds if not one.met]

    assert missed(total=40) == ["update_coverage", "updates_per_row"]
    assert missed(total=400) == []
