"""A curve in characters: dots of braille, eight to a character, or stars where the terminal knows only ASCII."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))
"""Of a braille character, by row from the top and by column; Unicode's block begins at U+2800."""
_MARGIN = 8
"""Columns of the numbers beside the curve."""

Floats = npt.NDArray[np.float64]


def curve(xs: Sequence[float], ys: Sequence[float | None], *, width: int, height: int, ascii_only: bool) -> list[str]:
    """`height` lines of at most `width` characters: the curve, with its highest and lowest value beside it.

    What is not finite is left out. Each column of dots reaches from the lowest to the highest value in it, and to the
    column before, so that a spike is seen and the curve holds together. Empty lines where there is nothing to draw.
    """
    inner = width - _MARGIN
    x, y = np.asarray(xs, float), np.asarray([math.nan if each is None else each for each in ys], float)
    sound = np.isfinite(y)
    x, y = x[sound], y[sound]
    if inner < 4 or height < 1 or not len(y):
        return [""] * max(0, height)
    across, down = (1, 1) if ascii_only else (2, 4)
    dots = _dots(x, y, columns=inner * across, rows=height * down)
    drawn = _stars(dots) if ascii_only else _braille(dots)
    labels = [" " * _MARGIN] * height
    labels[-1], labels[0] = _label(float(y.min())), _label(float(y.max()))
    return [label + line.rstrip() for label, line in zip(labels, drawn, strict=True)]


def _dots(x: Floats, y: Floats, *, columns: int, rows: int) -> npt.NDArray[np.bool_]:
    """Shape (rows, columns); the first row is the top."""
    span, low, high = float(x[-1] - x[0]), float(y.min()), float(y.max())
    column = np.zeros(len(x), int) if span <= 0 else ((x - x[0]) / span * (columns - 1)).round().astype(int)
    column = np.clip(column, 0, columns - 1)
    level = np.full(len(y), (rows - 1) // 2) if high <= low else ((high - y) / (high - low) * (rows - 1)).round()
    dots, before = np.zeros((rows, columns), bool), None
    for number in np.unique(column):
        levels = level[column == number].astype(int)
        top, bottom = int(levels.min()), int(levels.max())
        dots[top : bottom + 1, number] = True
        if before is not None:
            _join(dots, before, (int(number), int(levels[0])))
        before = (int(number), int(levels[-1]))
    return dots


def _join(dots: npt.NDArray[np.bool_], one: tuple[int, int], other: tuple[int, int]) -> None:
    """A line between two dots, each (column, row)."""
    length = max(abs(other[0] - one[0]), abs(other[1] - one[1]), 1)
    for part in range(1, length):
        column = round(one[0] + (other[0] - one[0]) * part / length)
        dots[round(one[1] + (other[1] - one[1]) * part / length), column] = True


def _braille(dots: npt.NDArray[np.bool_]) -> list[str]:
    rows, columns = dots.shape
    codes = np.full((rows // 4, columns // 2), 0x2800)
    for row, pair in enumerate(DOTS):
        for column, bit in enumerate(pair):
            codes += dots[row::4, column::2] * bit
    return ["".join(" " if code == 0x2800 else chr(code) for code in line) for line in codes.tolist()]


def _stars(dots: npt.NDArray[np.bool_]) -> list[str]:
    return ["".join("*" if dot else " " for dot in line) for line in dots.tolist()]


def _label(value: float) -> str:
    return f"{value:.4g}"[: _MARGIN - 1].rjust(_MARGIN - 1) + " "
