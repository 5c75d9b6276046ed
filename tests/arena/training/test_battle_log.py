"""What a power loss may leave of a battle's streams: zeros for bytes that were never synced."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from arena import battle_errors
from arena.protocol import EVENTS_FILE, STEP_DTYPE, STEPS_FILE, EventKind, StepRecord
from arena.statistics import anomalies
from arena.statistics.source import Source
from arena.training.reporting import battle_log
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving.full_disk import Room
from arena.training.start import Trainee, convergence_until


def record(step: int, loss: float = 2.0) -> bytes:
    return StepRecord(step, 1.0, loss, 0.1, 1.0, 0.1, 10, 10, 10, step, 0).pack()


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[list[BattleLog]]:
    opened: list[BattleLog] = []
    yield opened
    for log in opened:
        log.close()


def opened(logs: list[BattleLog], folder: Path) -> BattleLog:
    logs.append(BattleLog(folder, on_event=lambda _: None, room=Room(lambda _: None, lambda: False)))
    return logs[-1]


def trainee_at(step: int) -> Trainee:
    """One whose optimizer is older than every record, those of zeros too."""
    return cast(Trainee, SimpleNamespace(step=step, moments_since=-1))


def steps_on_disk(folder: Path) -> list[int]:
    steps: list[int] = np.fromfile(folder / STEPS_FILE, dtype=STEP_DTYPE)["step"].tolist()
    return steps


@pytest.mark.parametrize(
    "tail",
    [b"", record(121)[:30], bytes(56 * 9), record(121) + bytes(56 * 2 + 7)],
    ids=["none", "half", "zeros", "mixed"],
)
def test_records_end_with_the_step_of_the_checkpoint(tmp_path: Path, logs: list[BattleLog], tail: bytes) -> None:
    (tmp_path / STEPS_FILE).write_bytes(b"".join(record(step) for step in range(41, 121)) + tail)
    log = opened(logs, tmp_path)
    assert convergence_until(log, trainee_at(100)).mean == 2.0
    log.cut_steps_after(100)
    assert steps_on_disk(tmp_path) == list(range(41, 101))


@pytest.mark.parametrize("step", [0, 40])
def test_zeros_alone_are_no_steps(tmp_path: Path, logs: list[BattleLog], step: int) -> None:
    (tmp_path / STEPS_FILE).write_bytes(bytes(56 * 30))
    log = opened(logs, tmp_path)
    assert convergence_until(log, trainee_at(step)).mean is None
    log.cut_steps_after(step)
    assert steps_on_disk(tmp_path) == []


def test_by_their_numbers_alone_zeros_would_count(
    tmp_path: Path, logs: list[BattleLog], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin: no look at whether the steps rise."""
    monkeypatch.setattr(battle_log.np, "diff", lambda steps, prepend: np.ones_like(steps))
    (tmp_path / STEPS_FILE).write_bytes(b"".join(record(step) for step in range(1, 101)) + bytes(56 * 20))
    log = opened(logs, tmp_path)
    mean = convergence_until(log, trainee_at(100)).mean
    assert mean is not None
    assert mean < 1.5


def test_a_line_of_events_that_is_none_is_passed_over_and_stays(tmp_path: Path, logs: list[BattleLog]) -> None:
    log = opened(logs, tmp_path)
    log.write(EventKind.BATTLE_STARTED, step=0, message="first")
    with open(tmp_path / EVENTS_FILE, "ab") as file:
        file.write(bytes(4096) + b'"}\n')
    before = (tmp_path / EVENTS_FILE).stat().st_size
    again = opened(logs, tmp_path)
    assert [event.message for event in again.events] == ["first"]
    assert (tmp_path / EVENTS_FILE).stat().st_size == before
    assert again.write(EventKind.VALIDATED, step=1, message="second").seq == 2
    assert [event.message for event in opened(logs, tmp_path).events] == ["first", "second"]


def test_the_event_that_ends_a_battle_says_what_went_wrong_in_it(tmp_path: Path, logs: list[BattleLog]) -> None:
    """Also before a restart, and the ending itself where it is one."""
    opened(logs, tmp_path).write(EventKind.FAULT, step=20, message="not finite", fault="non_finite")
    log = opened(logs, tmp_path)
    assert log.write(EventKind.VALIDATED, step=30, message="no ending").data == {}
    ended = log.write(EventKind.BATTLE_FAILED, step=40, message="broken", blame="quest").data
    assert (ended["blame"], ended["errors"]["total"], list(ended["errors"]["kinds"])) == (
        "quest", 2, ["non_finite", "battle_failed"]
    )  # fmt: skip
    assert ended["errors"]["kinds"]["non_finite"]["last_message"] == "not finite"
    statistics = anomalies.error_summary(Source.open(tmp_path), steps_done=40)
    assert battle_errors.to_data(statistics.kinds) == ended["errors"]
