"""Where a battle's time went: pauses, kills and rolled back steps are no part of its speed, and everything adds up."""

from pathlib import Path

import numpy as np
import pytest

from arena.protocol import EventKind
from arena.statistics import timing
from arena.statistics.battle import BattleStatistics, of_source
from arena.statistics.source import BEGINNINGS
from tests.arena.statistics.factories import Told, battle, records


def rested() -> Told:
    """Begun at 0, paused at 40; begun at 1040, killed at about 1060; begun at 3060."""
    told = Told().begin(examples=300, total_steps=100)
    told.say(EventKind.CHECKPOINT_SAVED, at=20, step=20, stall_seconds=1.5, write_seconds=2.0)
    told.say(EventKind.VALIDATED, at=39, step=40, seconds=4.0, losses={})
    told.say(EventKind.BATTLE_PAUSED, at=40, step=40)
    told.say(EventKind.BATTLE_RESUMED, at=1040, step=40, total_steps=100, examples=300)
    told.say(EventKind.ANSWERED, at=1050, step=50, seconds=2.0)
    return told.say(EventKind.BATTLE_RESUMED, at=3060, step=60, total_steps=100, examples=300)


def three_runs(folder: Path) -> BattleStatistics:
    made = records(80)
    made["time"][40:60] += 1000
    made["time"][60:] += 3000
    return of_source(battle(folder, made, rested()))


def add_up(found: BattleStatistics) -> None:
    time = found.time
    assert (time.runs, time.elapsed, time.active, time.resting) == (3, 3080.0, 80.0, 3000.0)
    assert (time.steps, time.saving, time.validation, time.answering) == (40.0, 1.5, 4.0, 2.0)
    assert time.steps + time.saving + time.validation + time.answering + time.other == pytest.approx(time.active)
    assert found.throughput.steps_per_second == pytest.approx(2.0)
    assert found.throughput.tokens_per_second == pytest.approx(200.0)
    assert found.throughput.samples_per_second == pytest.approx(6.0)


def test_pauses_and_kills_are_rests(tmp_path: Path) -> None:
    add_up(three_runs(tmp_path / "b"))


def test_twin_that_knows_no_resumes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timing, "BEGINNINGS", BEGINNINGS[:1])
    with pytest.raises(AssertionError):
        add_up(three_runs(tmp_path / "b"))


def test_what_is_left_is_reckoned_as_the_pages_do(tmp_path: Path) -> None:
    found = three_runs(tmp_path / "b")
    assert found.throughput.steps_per_second_now == pytest.approx(1.0)
    assert found.eta_seconds == pytest.approx(20.0)
    over = rested().say(EventKind.BATTLE_COMPLETED, at=3081, step=80)
    assert of_source(battle(tmp_path / "over", records(80), over)).eta_seconds is None
    waits = Told().begin(total_steps=100).say(EventKind.BATTLE_PAUSED, at=90, step=80)
    assert of_source(battle(tmp_path / "waits", records(80), waits)).eta_seconds == pytest.approx(20.0)


def test_on_a_gpu_the_steps_clock_runs_on_between_them(tmp_path: Path) -> None:
    told = Told().begin(device="cuda:0").say(EventKind.CHECKPOINT_SAVED, at=9, step=5, stall_seconds=3.0)
    found = of_source(battle(tmp_path / "b", records(10, step_seconds=1.0), told))
    assert (found.time.steps, found.time.saving, found.time.active) == (7.0, 3.0, 10.0)


def test_the_bottleneck_is_named(tmp_path: Path) -> None:
    told = Told().begin()
    for step in (20, 40):
        told.say(EventKind.CHECKPOINT_SAVED, at=step, step=step, stall_seconds=7.0, wait_seconds=8.5)
    told.say(EventKind.VALIDATED, at=60, step=60, seconds=25.0, losses={})
    found = of_source(battle(tmp_path / "b", records(100, step_seconds=0.4), told))
    assert found.bottleneck == "saving"
    assert found.bottleneck_summary.startswith("The bottleneck is saving: 31% of the time")
    assert [one.name for one in found.thresholds if not one.met] == ["saving", "evaluation"]
    fast = of_source(battle(tmp_path / "fast", records(100, step_seconds=0.95)))
    assert fast.bottleneck is None
    assert fast.bottleneck_summary == "Nothing holds the training up: 95% of the time went into its steps."


def test_the_split_of_a_step_is_the_mean_of_what_was_measured(tmp_path: Path) -> None:
    told = Told().begin(threads=2)
    for step, data in ((10, 0.5), (40, 3.0)):
        work = {"steps": 10 if step == 10 else 30, "data_seconds": data, "cpu_seconds": 4.0, "wall_seconds": 10.0}
        told.say(EventKind.CHECKPOINT_SAVED, at=step, step=step, stall_seconds=0.1, work=work)
    found = of_source(battle(tmp_path / "b", records(40, step_seconds=0.9), told))
    split = found.time.step
    assert split is not None
    assert (split.steps, split.data, split.update) == (40, pytest.approx(3.5 / 40), None)
    assert found.cpu_cores == pytest.approx(0.4)
    assert {"processor", "data"} <= {one.name for one in found.thresholds if not one.met}


@pytest.mark.parametrize("count", [0, 1])
def test_next_to_nothing_gives_no_errors(tmp_path: Path, count: int) -> None:
    found = of_source(battle(tmp_path / "b", records(count), Told()))
    assert (found.state, found.steps_done, found.time.runs) == ("training" if count else "waiting", count, count)
    assert found.bottleneck is None


def test_zeros_behind_a_power_loss_are_no_steps(tmp_path: Path) -> None:
    made = np.concatenate([records(30), np.zeros(12, records(0).dtype)])
    found = of_source(battle(tmp_path / "b", made))
    assert (found.steps_done, found.last_step) == (30, 30)
    assert found.time.elapsed == pytest.approx(30.0)
