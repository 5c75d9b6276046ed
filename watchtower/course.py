"""The steps of a battle with what they took so far: what a curve is drawn over."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from arena import steps
from arena.steps import Records, column

_NORM_DIGITS = 6


@dataclass(frozen=True, eq=False)
class Course:
    """Records, and for each what was read and how long was trained up to its end; so thinning loses neither."""

    records: Records
    tokens: npt.NDArray[np.int64]
    """Real tokens, padding left out."""
    seconds: npt.NDArray[np.float64]
    """Spent in steps: what passed between them, in rests above all, is left out."""

    @classmethod
    def of(cls, records: Records) -> Self:
        seconds = np.nan_to_num(records["step_seconds"].astype(np.float64))
        return cls(records, np.cumsum(records["tokens"], dtype=np.int64), np.cumsum(seconds))

    def __len__(self) -> int:
        return len(self.records)

    def picked(self, places: npt.NDArray[Any] | slice) -> Self:
        return type(self)(self.records[places], self.tokens[places], self.seconds[places])

    def up_to(self, step: int | None) -> Self:
        """Without what came after the hero's step `step`; None: all."""
        return self if step is None else self.picked(self.records["step"] <= step)

    def thinned(self, most: int) -> Self:
        return self.picked(steps.kept_places(self.records, most))


def joined(courses: list[Course]) -> Course:
    """One after the other; each goes on counting where the one before it ended."""
    tokens, seconds, read, spent = [], [], 0, 0.0
    for course in courses:
        tokens.append(course.tokens + read)
        seconds.append(course.seconds + spent)
        if len(course):
            read, spent = int(tokens[-1][-1]), float(seconds[-1][-1])
    none = Course.of(steps.NO_RECORDS)
    return Course(
        np.concatenate([none.records, *(course.records for course in courses)]),
        np.concatenate([none.tokens, *tokens]),
        np.concatenate([none.seconds, *seconds]),
    )


def columns(course: Course) -> dict[str, list[Any]]:
    """`norm` of the gradient, `tokens` and `seconds` so far, `memory` in bytes: a value a step."""
    return {
        "norm": column(course.records["grad_norm"], _NORM_DIGITS),
        "tokens": course.tokens.tolist(),
        "seconds": column(course.seconds, 3),
        "memory": course.records["memory_bytes"].tolist(),
    }
