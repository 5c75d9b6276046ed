"""Validation losses of battles, one curve for each set of rows: values over different rows are never one line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from arena import steps
from arena.models import ChronicleEntry
from arena.protocol import EventKind

UNNAMED = "validation"
"""What releases that did not name their set measured over."""


@dataclass(frozen=True, kw_only=True)
class Score:
    step: int
    name: str
    rows: int | None
    sha256: str
    """Of the set's rows; empty where the trainer did not say."""
    loss: float


def scores_of(battle: str) -> list[Score]:
    """Of one battle, in order; at each step first that over what the hero was taught."""
    entries = ChronicleEntry.objects.filter(source=battle, kind=EventKind.VALIDATED).order_by("id")
    return [score for step, data in entries.values_list("step", "data") for score in _scores(step, data)]


def newest_scores(battle: str) -> list[Score]:
    """What the last validation of one battle measured, first that over what the hero was taught."""
    entries = ChronicleEntry.objects.filter(source=battle, kind=EventKind.VALIDATED).order_by("-source_seq")
    return [score for step, data in entries.values_list("step", "data")[:1] for score in _scores(step, data)]


def newest_loss(battle: str, *, until: int | None = None) -> float | None:
    """Up to the step `until`, over what the hero was taught, or over the unnamed set of an older release."""
    entries = ChronicleEntry.objects.filter(source=battle, kind=EventKind.VALIDATED).order_by("-id")
    if until is not None:
        entries = entries.filter(step__lte=until)
    losses = (steps.finite(data.get("val_loss")) for data in entries.values_list("data", flat=True).iterator())
    return next((loss for loss in losses if loss is not None), None)


def curves(scores: Iterable[Score]) -> list[dict[str, Any]]:
    """`{set, rows, sha256, points: [[step, loss]]}`, in the order of their first points."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for score in scores:
        start: dict[str, Any] = {"set": score.name, "rows": score.rows, "sha256": score.sha256[:8], "points": []}
        curve = found.setdefault((score.name, score.sha256), start)
        curve["points"].append([score.step, score.loss])
    return list(found.values())


def _scores(step: int, data: dict[str, Any]) -> Iterator[Score]:
    over = data.get("val_set") or {"name": UNNAMED, "rows": None, "sha256": ""}
    sets, losses = data.get("sets") or {}, data.get("losses") or {}
    measured = [(over, data.get("val_loss")), *((sets.get(name), loss) for name, loss in losses.items())]
    for of, value in measured:
        loss = steps.finite(value)
        if of and loss is not None:
            yield Score(step=step, name=of["name"], rows=of["rows"], sha256=of["sha256"], loss=loss)
