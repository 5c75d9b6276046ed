"""`worst_rows.bin` beside `steps.bin`: of each step the rows that the hero knew least, appended by the trainer.

Battles of earlier releases have no such file, and runs of several processes write none: no process of them knows all
rows of a step.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from arena.step_search import place_of

WORST_ROWS_FILE = "worst_rows.bin"
MOST_ROWS = 8
"""Of a step, the rows of the highest loss; of the others only their number is kept."""
DTYPE = np.dtype(
    [("step", "<i8"), ("rows", "<i4"), ("kept", "<i4"), ("lines", "<i8", MOST_ROWS), ("losses", "<f4", MOST_ROWS)]
)


@dataclass(frozen=True, slots=True)
class RowLoss:
    line: int
    """Of the quest's file; negative: of the battle's rehearsed rows."""
    loss: float
    """Mean over the row's trained tokens, natural log, before the update."""


@dataclass(frozen=True, slots=True)
class WorstRows:
    step: int
    """The hero's."""
    rows: int
    """That the step trained on."""
    worst: tuple[RowLoss, ...]
    """At most MOST_ROWS, the highest loss first."""

    @classmethod
    def of(cls, step: int, rows: int, lines: Sequence[int], losses: Sequence[float]) -> Self:
        return cls(step, rows, tuple(map(RowLoss, lines, losses)))

    def pack(self) -> bytes:
        record = np.zeros((), DTYPE)
        record["step"], record["rows"], record["kept"] = self.step, self.rows, len(self.worst)
        record["lines"][: len(self.worst)] = [row.line for row in self.worst]
        record["losses"][: len(self.worst)] = [row.loss for row in self.worst]
        return record.tobytes()


def read(battle: Path, step: int) -> WorstRows | None:
    """What is known of the hero's `step` in the battle of this folder; None where nothing is."""
    path = battle / WORST_ROWS_FILE
    try:
        with open(path, "rb") as file:
            file.seek(place_of(path, step, DTYPE.itemsize) * DTYPE.itemsize)
            data = file.read(DTYPE.itemsize)
    except FileNotFoundError:
        return None
    record = np.frombuffer(data, DTYPE)[0] if len(data) == DTYPE.itemsize else None
    if record is None or record["step"] != step:
        return None
    kept = int(record["kept"])
    return WorstRows.of(step, int(record["rows"]), record["lines"][:kept].tolist(), record["losses"][:kept].tolist())
