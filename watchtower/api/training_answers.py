"""What `/api/training` answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from ninja import Schema

from watchtower.api.run_answers import TrainingRun


class LossPoint(Schema):
    step: int
    """The hero's."""
    quest_step: int
    loss: float | None
    learning_rate: float | None
    grad_norm: float | None
    tokens: int
    time: float
    """Seconds since 1970."""


class ValidationCurve(Schema):
    set: str
    rows: int | None
    sha256: str
    points: list[tuple[int, float]]
    """Step and loss."""


@dataclass(frozen=True, kw_only=True)
class RunWithHistory(TrainingRun):
    loss_history: list[LossPoint]
    """The first and the last step, and of the others those that show the curve."""
    validation: list[ValidationCurve]
    checkpoints: list[str]
    """Canonical names, the oldest first."""


class Moment(Schema):
    step: int
    sign: Literal["checkpoint", "champion", "level", "lost", "fault"]
    text: str
    checkpoint: str | None
    """Canonical name of the one that it is about."""


class BattleCurve(Schema):
    battle: str
    hero: str
    quest: str
    state: str
    steps: int
    """Of the whole battle."""
    first_step: int | None
    """The hero's, before the battle's first one."""
    step: list[int]
    quest_step: list[int]
    loss: list[float | None]
    """In nats."""
    lr: list[float | None]
    norm: list[float | None]
    """Of the gradient."""
    tokens: list[int]
    """Read since the battle began, padding left out."""
    seconds: list[float | None]
    """Spent in steps since the battle began: rests are left out."""
    memory: list[int]
    """The most that was in use, in bytes."""
    validation: list[ValidationCurve]
    accuracy: list[tuple[int, float, str, int]]
    """Step, share of answers that were right, skill and level."""
    marks: list[Moment]


class OrderAnswer(Schema):
    success: bool
    message: str


class Controlled(OrderAnswer):
    action: str
    status: Literal["idle", "training", "paused"]


class RateAnswer(OrderAnswer):
    battle: str
    learning_rate: float


class GoOnAnswer(OrderAnswer):
    hero: str
    checkpoint: str


class Status(Schema):
    status: Literal["idle", "training", "paused"]
    arena: str
    """`training`, `preparing`, `paused`, `resting`, `idle` or `offline`."""
    message: str
    is_running: bool
    """Whether the arena lives."""
    is_training: bool
    is_paused: bool
    current_file: str | None
    quest: str | None
    battle: dict[str, Any] | None
    job_id: str | None
    hero: str
    current_step: int | None
    quest_step: int | None
    total_steps: int | None
    loss: float | None
    learning_rate: float | None
    time: float | None


class Waiting(Schema):
    id: int
    job: str
    name: str
    priority: str
    state: str
    position: int
    rows: int
    steps: int | None
    skill: str
    level: int | None
    arrived_at: datetime


class Queue(Schema):
    total: int
    queued: dict[str, int]
    """By priority."""
    states: dict[str, int]
    quests: list[Waiting]
