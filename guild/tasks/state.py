"""What became of each task, in `status/task_state.json`, written durably."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

from realm import strict
from realm.disk import durable, locks
from realm.world import World

log = logging.getLogger(__name__)

STATE_FILE = "task_state.json"
LOCK_FILE = "tasks.lock"
Outcome = Literal["ok", "failed", "timeout", "stopped", "lost"]
BAD_OUTCOMES = ("failed", "timeout")


@dataclass(frozen=True, kw_only=True)
class LastRun:
    started_at: float
    ended_at: float
    """Both in seconds since 1970."""
    outcome: Outcome
    """`lost`: it ended while nobody watched; how is not known."""
    exit_code: int | None
    """Negative: the signal that ended it."""
    said: str
    """Its last lines."""
    by: str = "task master"

    @property
    def seconds(self) -> float:
        return max(0.0, self.ended_at - self.started_at)


@dataclass(frozen=True, kw_only=True)
class RunningMark:
    pid: int
    create_time: float
    """As psutil says it, by the clock of then."""
    started_at: float
    identity: str = ""
    """With the pid it names one process for good; empty in what was written before it was known."""


@dataclass(frozen=True, kw_only=True)
class TaskState:
    last: LastRun | None = None
    running: RunningMark | None = None
    runs: int = 0
    failures: int = 0
    """In a row."""


@dataclass(frozen=True, kw_only=True)
class AllStates:
    tasks: dict[str, TaskState] = field(default_factory=dict)

    def of(self, name: str) -> TaskState:
        return self.tasks.get(name, TaskState())


def read(world: World) -> AllStates:
    """Without anything where there is no readable file; `update` puts a damaged one aside."""
    try:
        return _parse(_path(world))
    except (FileNotFoundError, ValueError, RecursionError):
        return AllStates()


def update(world: World, name: str, change: Callable[[TaskState], TaskState]) -> TaskState:
    """Write what `change` makes of a task's state; all others stay. Raises OSError."""
    with _alone(world):
        states = _read_or_put_aside(world)
        changed = change(states.of(name))
        durable.write_json(_path(world), asdict(replace(states, tasks=states.tasks | {name: changed})))
    return changed


def forget(world: World, names: set[str]) -> None:
    """Raises OSError."""
    with _alone(world):
        states = _read_or_put_aside(world)
        kept = {name: state for name, state in states.tasks.items() if name not in names}
        if len(kept) < len(states.tasks):
            durable.write_json(_path(world), asdict(replace(states, tasks=kept)))


def ended(before: TaskState, run: LastRun) -> TaskState:
    failures = before.failures + 1 if run.outcome in BAD_OUTCOMES else 0
    return TaskState(last=run, running=None, runs=before.runs + 1, failures=failures)


def stamp(world: World) -> tuple[int, int]:
    """Changes whenever the file does."""
    try:
        facts = _path(world).stat()
    except FileNotFoundError:
        return (0, 0)
    return (facts.st_mtime_ns, facts.st_ino)


def _path(world: World) -> Path:
    return world.status / STATE_FILE


def _parse(path: Path) -> AllStates:
    return strict.read(AllStates, json.loads(path.read_bytes()), source=str(path))


def _read_or_put_aside(world: World) -> AllStates:
    path = _path(world)
    try:
        return _parse(path)
    except FileNotFoundError:
        return AllStates()
    except (ValueError, RecursionError) as error:
        aside = path.with_name(f"{path.name}.damaged-{time.time_ns()}")
        log.warning("%s is begun anew, what it was lies in %s: %s", path, aside.name, error)
        durable.move(path, aside)
        return AllStates()


def _alone(world: World) -> AbstractContextManager[None]:
    return locks.held(world.control / LOCK_FILE)
