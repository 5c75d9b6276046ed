"""A job as it stands: what its quest's file, its row and its battle say together."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from arena import selectors, steps
from arena import status as arena_status
from arena.models import Battle, Quest
from arena.queue import files as queue
from arena.queue import ticket as tickets
from arena.queue.ticket import Ticket
from arena.rows.lines import stem_of
from realm.world import World

_RECENT_STEPS = 500
"""Of which the speed is taken."""


class NoSuchJob(LookupError):
    """One sentence for whoever asked."""


class NotPossible(ValueError):
    """The job is in a state in which that makes no sense; the text says in which."""


class JobState(StrEnum):
    WAITING = "waiting"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


OVER = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, kw_only=True)
class Progress:
    step: int
    """Optimizer steps of this job that are done."""
    total: int | None
    percent: float | None
    """0 to 100."""


@dataclass(frozen=True, kw_only=True)
class Job:
    id: str
    name: str
    state: JobState
    reason: str
    """Why it waits, failed or was cancelled; empty where there is nothing to say."""
    quest: int | None
    """Number of the quest; None before the arena took it in."""
    battle: str | None
    hero: str | None
    priority: str
    skill: str
    level: int | None
    rows: int | None
    """Rows that are trained on; None before the gatekeepers looked."""
    trained_tokens: int | None
    progress: Progress
    loss: float | None
    """Nats per supervised token at the newest step."""
    learning_rate: float | None
    hero_step: int | None
    """The hero's own step at the newest step of the job."""
    eta_seconds: float | None
    """By the speed of the last minute; None unless it runs."""
    asked_by: str
    asked_at: datetime | None
    arrived_at: datetime | None
    started_at: datetime | None
    ended_at: datetime | None
    file: str | None
    """Relative to the world's queue folder; None once it made room."""
    facts: dict[str, Any] = field(default_factory=dict)
    """What whoever asked left with it."""

    @property
    def is_over(self) -> bool:
        return self.state in OVER


def of_quest(world: World, quest: Quest, battle: Battle | None, *, resting: str = "") -> Job:
    """`battle` is the quest's newest one; `resting` is why the arena fights nothing now, if it does not."""
    path = queue.path_of(world, quest) if quest.file else None
    asked = tickets.read(path) if path else None
    state = _state(quest, battle, asked)
    record = selectors.last_step(world, battle) if battle else None
    done, total = record.quest_step if record else 0, _total(quest, battle)
    return Job(
        id=quest.job or f"quest-{quest.pk}",
        name=quest.name,
        state=state,
        reason=quest.reason if state in OVER else _why_waiting(quest, state, resting),
        quest=quest.pk,
        battle=battle.battle_id if battle else None,
        hero=battle.hero if battle else None,
        priority=quest.priority,
        skill=quest.skill,
        level=quest.level,
        rows=quest.taken if quest.state != Quest.State.ARRIVED else None,
        trained_tokens=quest.trained_tokens,
        progress=Progress(step=done, total=total, percent=_percent(done, total)),
        loss=record.loss if record and math.isfinite(record.loss) else None,
        learning_rate=record.learning_rate if record else None,
        hero_step=record.step if record else None,
        eta_seconds=_eta(world, battle, done, total) if battle and state == JobState.RUNNING else None,
        asked_by=asked.by if asked else "",
        asked_at=_time(asked),
        arrived_at=quest.arrived_at,
        started_at=battle.started_at if battle else None,
        ended_at=quest.ended_at,
        file=quest.file or None,
        facts=asked.facts if asked else {},
    )


def unseen(world: World, path: Path, asked: Ticket) -> Job:
    """A quest that lies in a lane and that the arena has not taken in yet."""
    alive = arena_status.daemon_alive(world)
    why = "the arena takes it in" if alive else "the arena is not running; it will look when it starts"
    return Job(
        id=asked.id, name=stem_of(path.name), state=JobState.CANCELLED if asked.cancelled else JobState.WAITING,
        reason="cancelled before the arena saw it" if asked.cancelled else why, quest=None, battle=None, hero=None,
        priority=path.parent.name, skill="", level=None, rows=None, trained_tokens=None,
        progress=Progress(step=0, total=None, percent=None), loss=None, learning_rate=None, hero_step=None,
        eta_seconds=None, asked_by=asked.by, asked_at=_time(asked), arrived_at=None, started_at=None,
        ended_at=None, file=path.relative_to(world.queue).as_posix(), facts=asked.facts,
    )  # fmt: skip


def _state(quest: Quest, battle: Battle | None, asked: Ticket | None) -> JobState:
    if quest.state in (Quest.State.COMPLETED, Quest.State.FAILED, Quest.State.CANCELLED):
        return JobState(quest.state)
    if asked and asked.cancelled:
        return JobState.CANCELLED
    if quest.state != Quest.State.BATTLING:
        return JobState.WAITING
    return JobState.PAUSED if battle and battle.state == Battle.State.PAUSED else JobState.RUNNING


def _why_waiting(quest: Quest, state: JobState, resting: str) -> str:
    if state != JobState.WAITING:
        return ""
    if quest.state == Quest.State.ARRIVED:
        return "the gatekeepers look at it"
    return "on hold until it is released" if quest.state == Quest.State.INSPECTED else resting


def _total(quest: Quest, battle: Battle | None) -> int | None:
    return battle.total_steps if battle and battle.total_steps is not None else quest.steps


def _percent(done: int, total: int | None) -> float | None:
    return round(min(100.0, 100 * done / total), 2) if total else None


def _eta(world: World, battle: Battle, done: int, total: int | None) -> float | None:
    path = steps.path_of(world, battle.battle_id)
    count = steps.count(path)
    speed = steps.rates(steps.read(path, max(0, count - _RECENT_STEPS), count)).steps_per_second
    return round(max(0, total - done) / speed, 1) if total and speed else None


def _time(asked: Ticket | None) -> datetime | None:
    return datetime.fromtimestamp(asked.asked_at, UTC) if asked else None
