"""The trainer's log: statistics every hundred steps, each event, and what went wrong when a battle has ended."""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import Any

import pytest

from arena.battle_errors import errors_by_kind
from arena.protocol import Event, EventKind, StepRecord
from arena.training.reporting import progress_log
from arena.training.reporting.progress_log import ProgressLog, log_errors, log_event

RECORD = StepRecord(
    step=1000, time=1e9, loss=1.0, learning_rate=1e-3, grad_norm=2.0, step_seconds=0.5, tokens=100, trained_tokens=50,
    slots=100, quest_step=0, memory_bytes=10**6,
)  # fmt: skip


def feed(first: int, last: int, log: ProgressLog) -> None:
    """The loss of a step is its number."""
    for step in range(first, last + 1):
        record = replace(RECORD, step=1000 + step, quest_step=step, loss=float(step), memory_bytes=step)
        log.add(record, total_steps=400)


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [record.__dict__ for record in caplog.records if getattr(record, "event", "") == "training_statistics"]


def test_every_hundred_steps_are_told_with_what_they_measured(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    feed(1, 250, ProgressLog("q-1"))
    first, second = told(caplog)
    assert (first["loss_avg"], first["loss_min"], first["loss_max"]) == (50.5, 1.0, 100.0)
    assert first["loss_variance"] == pytest.approx(833.25)
    assert (first["steps_per_second"], first["tokens_per_second"], first["seconds_left"]) == (2.0, 200.0, 150.0)
    assert (second["step"], second["quest_step"], second["steps"], second["memory_bytes"]) == (1200, 200, 100, 200)
    assert "step 200 of 400: loss 150.5" in second["message"]
    assert "0:01:40 to go" in second["message"]


def test_steps_that_are_done_again_count_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log = ProgressLog("q-1")
    feed(1, 60, log)
    feed(51, 100, log)
    (line,) = told(caplog)
    assert (line["steps"], line["loss_avg"]) == (50, 75.5)


def test_none_is_told_where_no_hundred_is_full(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin of the hundred: with another number other lines come."""
    caplog.set_level(logging.INFO)
    feed(1, 99, ProgressLog("q-1"))
    assert told(caplog) == []
    monkeypatch.setattr(progress_log, "EVERY_STEPS", 33)
    feed(1, 99, ProgressLog("q-1"))
    assert len(told(caplog)) == 3


def event(kind: EventKind, step: int, **data: Any) -> Event:
    return Event(seq=step, time=float(step), kind=kind, step=step, message=f"at {step}", data=data)


EVENTS = [
    event(EventKind.CHECKPOINT_SAVED, 10), event(EventKind.FAULT, 20, fault="non_finite"),
    event(EventKind.CHECKPOINT_FAILED, 30), event(EventKind.FAULT, 40, fault="non_finite"),
    event(EventKind.CONVERGENCE_WARNING, 50, warning="stagnation"),
]  # fmt: skip


def test_errors_are_counted_by_kind_with_first_and_last(caplog: pytest.LogCaptureFixture) -> None:
    found = errors_by_kind(EVENTS)
    assert {kind: own.count for kind, own in found.items()} == {
        "non_finite": 2, "checkpoint_failed": 1, "stagnation": 1
    }  # fmt: skip
    assert (found["non_finite"].first_step, found["non_finite"].last_step) == (20, 40)
    log_errors("q-1", found)
    (record,) = caplog.records
    assert (record.levelname, record.__dict__["event"], record.__dict__["total"]) == ("WARNING", "error_summary", 4)


@pytest.mark.parametrize(("kind", "level"), [("fault", "WARNING"), ("battle_failed", "ERROR"), ("answered", "INFO")])
def test_an_event_is_as_grave_as_it_is(kind: str, level: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    log_event("q-1", event(EventKind(kind), 7, n=1))
    (record,) = caplog.records
    assert (record.levelname, record.__dict__["event"], record.__dict__["data"]) == (level, kind, {"n": 1})
