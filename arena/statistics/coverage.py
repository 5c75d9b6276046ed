"""How much of the hero has moved since the battle began: what the trainer compared when it saved a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from arena.protocol import Event, EventKind
from arena.statistics.source import Source, mapping, number
from arena.steps import Records


@dataclass(frozen=True, kw_only=True)
class UpdateCoverage:
    """At one checkpoint; shares run from 0 to 1 and are None where nothing of the kind trains, or could be compared."""

    checkpoint: str
    step: int
    weights: float | None
    """Share of the trained weights whose value is another than when the battle began."""
    change: float | None
    """Euclidean distance that they moved, in lengths of what they were."""
    most_changed: str | None
    """The tensor that moved farthest, by that measure."""
    vocabulary_rows: float | None
    """Share of the embedding's rows of which at least one weight moved."""
    vocabulary_rows_in_data: float | None
    """The same of those rows alone whose token occurs in the quest's data."""
    rows_in_data: int | None
    """Rows whose token occurs in the data."""
    average_updates_per_row: float | None
    """Times that such a row's token was met so far, on average; None where the embedding does not train."""


def of_checkpoints(source: Source, records: Records) -> list[UpdateCoverage]:
    """Of each checkpoint that says so, in order."""
    saved = source.standing(EventKind.CHECKPOINT_SAVED)
    done, tokens = records["step"], np.cumsum(records["tokens"], dtype=np.int64)
    return [_of(event, done, tokens) for event in saved if mapping(event.data.get("coverage"))]


def _of(event: Event, done: np.ndarray, tokens: np.ndarray) -> UpdateCoverage:
    told = mapping(event.data["coverage"])
    in_data, rows = number(told.get("rows_in_data")), number(told.get("vocabulary_rows"))
    until = int(np.searchsorted(done, event.step, side="right"))
    seen = int(tokens[until - 1]) if until else 0
    most_changed = told.get("most_changed")
    return UpdateCoverage(
        checkpoint=str(event.data.get("name")),
        step=event.step,
        weights=number(told.get("weights")),
        change=number(told.get("change")),
        most_changed=most_changed if isinstance(most_changed, str) else None,
        vocabulary_rows=rows,
        vocabulary_rows_in_data=number(told.get("vocabulary_rows_in_data")),
        rows_in_data=None if in_data is None else int(in_data),
        average_updates_per_row=seen / in_data if in_data and rows is not None else None,
    )
