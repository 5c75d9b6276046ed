"""The timeline of the last day as the page draws it: a bar, its legend, and the idle spans with their reasons."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from realm.world import World
from watchtower.timeline.day import read_day
from watchtower.timeline.spans import Kind, Span

TONES = {
    Kind.TRAINING: "ember", Kind.EVALUATING: "moss", Kind.PREPARING: "arcane", Kind.INSPECTING: "arcane",
    Kind.FORGING: "gold", Kind.WORKING: "sky", Kind.PAUSED: "plain", Kind.WAITING: "blood", Kind.HUNG: "blood",
}  # fmt: skip
"""Kinds without one are drawn dark: the machine or the realm was off, or nobody recorded."""
LEAST_SECONDS = 60.0
"""Idle spans that are shorter are summed up."""
MOST_LISTED = 40
TICKS = 8


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Of the bar, as fractions of its length."""

    span: Span
    tone: str
    at: float
    width: float


@dataclass(frozen=True, kw_only=True)
class Sum:
    kind: Kind
    tone: str
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Idle:
    span: Span
    tone: str
    start: datetime
    end: datetime


@dataclass(frozen=True, kw_only=True)
class Timeline:
    pieces: list[Piece]
    sums: list[Sum]
    idle: list[Idle]
    """The newest first."""
    idle_seconds: float
    saving_seconds: float
    left_out: int
    """Idle spans that are not listed: short ones, and those beyond the first."""
    ticks: list[datetime]


def read_timeline(world: World) -> Timeline:
    """The last day. Raises DatabaseError."""
    day = read_day(world)
    whole = day.end - day.start
    listed = [span for span in reversed(day.idle) if span.seconds >= LEAST_SECONDS][:MOST_LISTED]
    return Timeline(
        pieces=[
            Piece(span=span, tone=tone(span.kind), at=(span.start - day.start) / whole, width=span.seconds / whole)
            for span in day.spans
        ],
        sums=[Sum(kind=kind, tone=tone(kind), seconds=seconds) for kind, seconds in day.seconds.items()],
        idle=[
            Idle(span=span, tone=tone(span.kind), start=_moment(span.start), end=_moment(span.end)) for span in listed
        ],
        idle_seconds=sum(span.seconds for span in day.idle),
        saving_seconds=day.saving_seconds,
        left_out=len(day.idle) - len(listed),
        ticks=[_moment(day.start + whole * place / TICKS) for place in range(TICKS + 1)],
    )


def tone(kind: Kind) -> str:
    return TONES.get(kind, "dark")


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
