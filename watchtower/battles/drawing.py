"""Curves of one or several battles as an SVG: no script, no style of its own, nothing from elsewhere.

Whoever shows it colours it by its classes: `grid`, `label`, and for the n-th battle `line line-n` and `scores line-n`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape

import numpy as np
import numpy.typing as npt

from arena.statistics.convergence import validation_points
from arena.statistics.source import Source
from arena.steps import Records
from watchtower.battles.figures import rows_per_step

Floats = npt.NDArray[np.float64]
WIDTH, HEIGHT = 1080, 320
LEFT, RIGHT, TOP, BOTTOM = 58, 12, 12, 34
STRETCHES = 240
"""Of a battle, each drawn as the mean of its losses."""
_TICKS = 6


class Axis(StrEnum):
    STEPS = "steps"
    TOKENS = "tokens"
    TIME = "time"
    ROWS = "rows"


AXES = {
    Axis.STEPS: "step of the battle",
    Axis.TOKENS: "tokens trained on",
    Axis.TIME: "seconds of training",
    Axis.ROWS: "rows seen (the mean of a step, times steps)",
}


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One battle's; gaps are NaN."""

    title: str
    x: Floats
    loss: Floats
    dotted: bool = False
    """Whether each point was measured by itself, and has a dot."""


def curve_of(source: Source, title: str, axis: Axis) -> Curve:
    """The training loss, as means of up to 240 stretches."""
    records = source.records
    x, means = _means(_places(source, records, axis), records["loss"].astype(np.float64))
    return Curve(title=title, x=x, loss=means)


def scores_of(source: Source, title: str, axis: Axis, over: tuple[str, int | None, str | None]) -> Curve:
    """The losses over one set of rows, each where it was measured."""
    records = source.records
    at, scored = _places(source, records, axis), validation_points(source).get(over, [])
    places = [int(np.searchsorted(records["step"], step, side="right")) - 1 for step, _ in scored]
    x = np.array([float(at[place]) if place >= 0 else 0.0 for place in places])
    return Curve(title=title, x=x, loss=np.array([loss for _, loss in scored], np.float64), dotted=True)


def nothing(title: str) -> Curve:
    """Of a battle whose steps are gone; it keeps its place among the others."""
    return Curve(title=title, x=np.empty(0), loss=np.empty(0))


def _places(source: Source, records: Records, axis: Axis) -> Floats:
    if axis is Axis.TOKENS:
        return np.cumsum(records["tokens"], dtype=np.float64)
    if axis is Axis.TIME:
        return np.cumsum(records["step_seconds"], dtype=np.float64)
    each = (rows_per_step(source) or math.nan) if axis is Axis.ROWS else 1.0
    return records["quest_step"].astype(np.float64) * each


def _means(at: Floats, loss: Floats) -> tuple[Floats, Floats]:
    if not len(loss):
        return np.empty(0), np.empty(0)
    parts = np.array_split(np.arange(len(loss)), min(STRETCHES, len(loss)))
    sound = [part[np.isfinite(loss[part])] for part in parts]
    means = np.array([loss[part].mean() if len(part) else math.nan for part in sound])
    return np.array([at[part].mean() for part in parts]), means


def svg(curves: Sequence[Curve], axis: Axis, *, label: str) -> str:
    """One picture of them all, safe to put into a page whatever the titles hold."""
    shown = [curve for curve in curves if np.isfinite(curve.x).any() and np.isfinite(curve.loss).any()]
    if not shown:
        return ""
    right = max(float(np.nanmax(curve.x)) for curve in shown) or 1.0
    lows, highs = zip(*(_range(curve) for curve in shown), strict=True)
    low, high = min(lows), max(highs)
    pad = (high - low) * 0.06 or max(abs(high) * 0.1, 0.1)
    low, high = max(0.0, low - pad) if low >= 0 else low - pad, high + pad
    frame = _Frame(right=right, low=low, high=high)
    parts = [*_grid(frame, axis), *(_line(frame, curve, number) for number, curve in enumerate(curves))]
    return (
        f'<svg class="curve" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f"{''.join(parts)}</svg>"
    )


@dataclass(frozen=True, kw_only=True)
class _Frame:
    right: float
    low: float
    high: float

    def x(self, value: float) -> float:
        return LEFT + value / self.right * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return TOP + (self.high - value) / (self.high - self.low) * (HEIGHT - TOP - BOTTOM)


def _range(curve: Curve) -> tuple[float, float]:
    return float(np.nanmin(curve.loss)), float(np.nanmax(curve.loss))


def _grid(frame: _Frame, axis: Axis) -> Iterator[str]:
    for value, text in ticks(frame.low, frame.high):
        y = frame.y(value)
        yield f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="label" x="{LEFT - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'
    for value, text in ticks(0.0, frame.right):
        x, anchor = frame.x(value), "end" if frame.x(value) > WIDTH - 40 else "middle"
        yield f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        yield f'<text class="label" x="{x:.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="{anchor}">{text}</text>'
    yield f'<text class="label name" x="{LEFT}" y="{HEIGHT - 3}">{escape(AXES[axis])}</text>'


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Round values from `low` to `high` with labels of which no two are alike."""
    span = high - low
    if not span > 0:
        return [(low, f"{low:g}")]
    raw = span / _TICKS
    unit: float = 10.0 ** math.floor(math.log10(raw))
    width = next(unit * factor for factor in (1.0, 2.0, 2.5, 5.0, 10.0) if unit * factor >= raw)
    first = math.ceil(low / width)
    values = [number * width for number in range(first, math.floor(high / width + 1e-9) + 1)]
    digits = max(0, -math.floor(math.log10(width) + 1e-9) + (1 if f"{width:e}".startswith("2.5") else 0))
    if high >= 1e6:
        return [(value, f"{value:.3g}") for value in values]
    return [(value, f"{value:,.{digits}f}") for value in values]


def _line(frame: _Frame, curve: Curve, number: int) -> str:
    pieces: list[str] = []
    pen = "M"
    for x, loss in zip(curve.x.tolist(), curve.loss.tolist(), strict=True):
        if math.isfinite(x) and math.isfinite(loss):
            pieces.append(f"{pen}{frame.x(x):.1f} {frame.y(loss):.1f}")
            pen = "L"
        else:
            pen = "M"  # a broken step is a gap
    title = f"<title>{escape(curve.title)}</title>"
    dots = "".join(
        f'<circle class="scores line-{number}" cx="{frame.x(x):.1f}" cy="{frame.y(loss):.1f}" r="3.5"/>'
        for x, loss in zip(curve.x.tolist(), curve.loss.tolist(), strict=True)
        if curve.dotted and math.isfinite(loss) and math.isfinite(x)
    )
    return f'<g>{title}<path class="line line-{number}" d="{"".join(pieces)}"/>{dots}</g>'
