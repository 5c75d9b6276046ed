"""What a stretch of time was spent on, and why where nothing was trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum


class Kind(StrEnum):
    TRAINING = "training"
    EVALUATING = "evaluating"
    PREPARING = "preparing"
    """The trainer starts, loads its model, reads the quest."""
    INSPECTING = "inspecting"
    """The gatekeepers look at quests, and nothing else can be done."""
    FORGING = "forging"
    WORKING = "working"
    """On what was asked of the guild or the vault, or a task of the Task Master's, while no battle is fought."""
    PAUSED = "paused"
    """At somebody's wish."""
    WAITING = "waiting"
    HUNG = "hung"
    OFF = "off"
    """The arena's daemon, or the machine."""
    ASLEEP = "asleep"
    UNKNOWN = "unknown"
    """Nobody recorded."""
    BEFORE = "before"
    """There was no such realm yet."""


IDLE = frozenset({Kind.PAUSED, Kind.WAITING, Kind.HUNG, Kind.OFF, Kind.ASLEEP, Kind.UNKNOWN})
"""In which the machine did nothing for the hero."""


@dataclass(frozen=True, kw_only=True)
class Span:
    kind: Kind
    start: float
    """In seconds since 1970, as `end`."""
    end: float
    why: str
    """One sentence without a full stop; empty where the kind says all."""
    quest: str = ""
    battle: str = ""

    @property
    def seconds(self) -> float:
        return self.end - self.start

    @property
    def is_idle(self) -> bool:
        return self.kind in IDLE

    def within(self, start: float, end: float) -> Span:
        return replace(self, start=max(self.start, start), end=min(self.end, end))


def seconds_by_kind(spans: Iterable[Span]) -> dict[Kind, float]:
    """Of the kinds that occur, the longest first."""
    sums: dict[Kind, float] = {}
    for span in spans:
        sums[span.kind] = sums.get(span.kind, 0.0) + span.seconds
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
