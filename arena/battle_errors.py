"""What went wrong in a battle, counted by kind: for its ending event, the trainer's log and its statistics alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from arena.protocol import Event, EventKind

KINDS = frozenset({
    EventKind.FAULT, EventKind.CONVERGENCE_WARNING, EventKind.CHECKPOINT_FAILED, EventKind.CHECKPOINT_REFUSED,
    EventKind.BATTLE_FAILED,
})  # fmt: skip
"""Of events that tell of an error; steps that were undone count as well."""


@dataclass(frozen=True, kw_only=True)
class Errors:
    """Of one kind. Steps are of the hero's life, times in seconds since 1970."""

    count: int
    first_step: int
    first_time: float
    last_step: int
    last_time: float
    last_message: str


def errors_by_kind(events: Iterable[Event]) -> dict[str, Errors]:
    """By the fault's or the warning's name, else the event's kind; the most frequent first."""
    found: dict[str, list[Event]] = {}
    for event in events:
        if event.kind in KINDS:
            found.setdefault(_name(event), []).append(event)
    return {
        kind: Errors(
            count=len(own),
            first_step=own[0].step,
            first_time=own[0].time,
            last_step=own[-1].step,
            last_time=own[-1].time,
            last_message=own[-1].message,
        )
        for kind, own in sorted(found.items(), key=lambda item: -len(item[1]))
    }


def total(errors: dict[str, Errors]) -> int:
    return sum(own.count for own in errors.values())


def to_data(errors: dict[str, Errors]) -> dict[str, Any]:
    """For events and log lines: `total`, and each kind's figures."""
    return {"total": total(errors), "kinds": {kind: asdict(own) for kind, own in errors.items()}}


def _name(event: Event) -> str:
    return str(event.data.get("fault") or event.data.get("warning") or event.kind)
