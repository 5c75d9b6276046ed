"""How far each tensor moved from one checkpoint to another, and which ones moved suddenly."""

from __future__ import annotations

import heapq
import math
import re
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from realm.checkpoints.tensors import Stored, Values, blocks, same_bytes

SUDDEN = 10
"""Times the median relative move of its kind."""
FEWEST_OF_A_KIND = 4
"""Of fewer the median says nothing; that of all tensors stands in."""
FAR = 20
"""Times the root mean square of the tensor's weights before, for one weight."""
RULE = (
    f"a tensor whose relative move is more than {SUDDEN} times the median of its kind (of all tensors, where fewer "
    f"than {FEWEST_OF_A_KIND} of a kind moved), a weight that moved more than {FAR} times the tensor's root mean "
    "square, and whatever is not finite"
)
_LAYER = re.compile(r"\.\d+(?=\.)")


@dataclass(frozen=True, kw_only=True)
class WeightChange:
    index: tuple[int, ...]
    before: float
    after: float

    @property
    def by(self) -> float:
        return abs(self.after - self.before)


@dataclass(frozen=True, kw_only=True)
class Move:
    name: str
    shape: tuple[int, ...]
    dtype: str
    changed: int
    """Weights that are not equal."""
    norm: float
    """L2, before."""
    distance: float
    """L2 of the difference, over what is finite in both."""
    relative: float | None
    """Distance over norm; None where all was zero before."""
    largest: WeightChange | None
    """None where nothing changed."""
    not_finite: int = 0
    """Weights that are infinite or no number, afterwards."""
    flags: tuple[str, ...] = ()
    """Why it counts as a sudden large change, in words; see RULE."""

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def kind(self) -> str:
        """Its name without the number of its layer."""
        return _LAYER.sub(".*", self.name)


def move(name: str, a: Stored, b: Stored) -> Move | None:
    """Of two tensors of one shape whose numbers can be read; None where all are equal."""
    if a.dtype == b.dtype and same_bytes(a, b):
        return None
    before = distance = 0.0
    changed = not_finite = 0
    largest: WeightChange | None = None
    for start, ours, theirs in _pairs(a, b):
        difference = theirs - ours
        finite = np.isfinite(difference)
        changed += int(np.count_nonzero(ours != theirs))
        not_finite += int(np.count_nonzero(~np.isfinite(theirs)))
        before += float(np.square(ours[np.isfinite(ours)]).sum())
        distance += float(np.square(difference[finite]).sum())
        at = int(np.argmax(np.where(finite, np.abs(difference), -1.0)))
        found = _change(a.shape, start + at, ours[at], theirs[at])
        if finite[at] and found.by > (largest.by if largest else 0.0):
            largest = found
    if not changed:
        return None
    norm = math.sqrt(before)
    return Move(
        name=name,
        shape=a.shape,
        dtype=b.dtype,
        changed=changed,
        norm=norm,
        distance=math.sqrt(distance),
        relative=math.sqrt(distance) / norm if norm else None,
        largest=largest,
        not_finite=not_finite,
    )


def largest_changes(a: Stored, b: Stored, count: int | None) -> list[WeightChange]:
    """The `count` weights that moved most, or all; those first that are not finite, or were not."""
    count = a.count if count is None else count
    found: list[tuple[float, int, float, float]] = []
    for start, ours, theirs in _pairs(a, b):
        with np.errstate(invalid="ignore"):
            difference = theirs - ours
            by = np.where(np.isfinite(difference), np.abs(difference), np.inf)
        by[ours == theirs] = 0.0
        most = np.argpartition(by, -min(count, len(by)))[-count:]
        found += [(float(by[at]), start + int(at), float(ours[at]), float(theirs[at])) for at in most if by[at]]
        found = heapq.nlargest(count, found)
    return [_change(a.shape, at, before, after) for _, at, before, after in found]


def flagged(moves: Iterable[Move]) -> list[Move]:
    """All of them, with the flags that RULE gives; the farthest first."""
    told = list(moves)
    medians = _medians(told)
    marked = [replace(one, flags=tuple(_flags(one, medians))) for one in told]
    return sorted(marked, key=lambda one: (not one.flags, -(one.relative or 0.0), one.name))


def _medians(moves: list[Move]) -> Mapping[str, float]:
    by_kind: dict[str, list[float]] = {}
    for one in moves:
        if one.relative:
            by_kind.setdefault(one.kind, []).append(one.relative)
    everything = [relative for found in by_kind.values() for relative in found]
    return {
        kind: statistics.median(found if len(found) >= FEWEST_OF_A_KIND else everything)
        for kind, found in by_kind.items()
    }


def _flags(one: Move, medians: Mapping[str, float]) -> Iterable[str]:
    if one.not_finite:
        yield f"{one.not_finite} weights are not finite"
    median = medians.get(one.kind)
    if one.relative and median and one.relative > SUDDEN * median:
        yield f"moved {one.relative / median:.0f} times as far as the median of its kind"
    usual = one.norm / math.sqrt(one.count) if one.norm else 0.0
    if one.largest and usual and one.largest.by > FAR * usual:
        yield f"one weight moved by {one.largest.by / usual:.0f} times what weights measure here"


def _pairs(a: Stored, b: Stored) -> Iterable[tuple[int, Values, Values]]:
    start = 0
    with np.errstate(invalid="ignore", over="ignore"):
        for ours, theirs in zip(blocks(a), blocks(b), strict=True):
            yield start, ours, theirs
            start += len(ours)


def _change(shape: tuple[int, ...], at: int, before: float, after: float) -> WeightChange:
    index = tuple(int(part) for part in np.unravel_index(at, shape)) if shape else ()
    return WeightChange(index=index, before=float(before), after=float(after))
