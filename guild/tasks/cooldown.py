"""What a task's own past and settings have against its beginning now."""

from __future__ import annotations

from dataclasses import dataclass

from guild.tasks.registry import Task
from guild.tasks.state import TaskState

MOST_FALSE_STARTS = 3
"""A run that still waits after so many attempts is not started again."""
FIRST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS = 30.0, 3600.0


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Why a task does not begin."""

    why: str
    due_at: float | None = None
    """When it may, seconds since 1970; None where that is not a matter of time."""


def wait_of(task: Task, known: TaskState, now: float) -> Wait | None:
    """What the task's own past and settings have against it; None where nothing has."""
    if not task.enabled:
        return Wait(why="switched off")
    if task.run_id is not None and known.failures >= MOST_FALSE_STARTS:
        return Wait(
            why=f"it was started {known.failures} times and still waits: {known.last.said if known.last else ''}"
        )
    due_at = due(task, known, now)
    if due_at is not None and due_at > now:
        rests = "after failures " if known.failures and due_at > _cooled_down(task, known) else ""
        return Wait(why=f"it rests {rests}until it is due", due_at=due_at)
    return None


def due(task: Task, known: TaskState, now: float) -> float | None:
    """None for one that never ran, or ran in the future: then a clock was set back."""
    if known.last is None or known.last.ended_at > now:
        return None
    return max(_cooled_down(task, known), known.last.ended_at + _backoff_seconds(known.failures))


def _cooled_down(task: Task, known: TaskState) -> float:
    return known.last.ended_at + task.cooldown_seconds if known.last else 0.0


def _backoff_seconds(failures: int) -> float:
    return float(min(LONGEST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** (failures - 1))) if failures else 0.0
