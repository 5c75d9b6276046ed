"""The curves of a battle as one picture. matplotlib is imported when the first is asked for."""

from __future__ import annotations

import io
import threading
from typing import Any

import numpy as np
import numpy.typing as npt

from arena import steps
from arena.statistics.curves import ValidationCurve, validation_curves
from arena.statistics.source import Source
from arena.steps import Records

Series = npt.NDArray[np.float64]

MOST_POINTS = 2000
MOST_SETS = 12
"""Drawn; a legend of more says nothing."""
LEAST_SMOOTHED, SMOOTHED_SHARE = 20, 0.01
"""Steps that the moving average is taken over, and of a long battle this share of all."""
WIDE = 20
"""Losses that differ by more than this ratio are drawn on a logarithmic scale."""
INCHES = (12.0, 9.0)
DPI = 110
_GREY, _TRAIN, _RATE, _NORM = "#8a8f98", "#1f6f8b", "#b5651d", "#6a4c93"
_DRAWING = threading.Lock()  # matplotlib's caches of fonts are not made for several threads


def as_png(source: Source) -> bytes:
    """A PNG of 1320 by 990 pixels: losses of training and of each validation set, learning rate, gradient norm.

    Long battles are thinned so that every stretch's lowest and highest loss stays.
    """
    with _DRAWING:
        return _drawn(source, validation_curves(source))


def _drawn(source: Source, curves: list[ValidationCurve]) -> bytes:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=INCHES, dpi=DPI)
    FigureCanvasAgg(figure)
    records = steps.thin(source.records, MOST_POINTS)
    losses, rate, norm = figure.subplots(3, 1, sharex=True, height_ratios=(3, 1, 1))
    figure.subplots_adjust(left=0.08, right=0.98, bottom=0.06, top=0.94, hspace=0.06)  # laying out costs half a second
    quest = source.order.quest if source.order else source.battle
    figure.suptitle(_plain(f"{quest}: {source.count:,} steps ({source.battle})"), fontsize=13)
    _losses(losses, records, curves)
    _average(losses, source.records, records)
    losses.legend(fontsize=8, title=f"and {len(curves) - MOST_SETS} more sets" if len(curves) > MOST_SETS else None)
    _line(rate, records, "learning_rate", _RATE, "learning rate")
    _line(norm, records, "grad_norm", _NORM, "gradient norm")
    if (records["grad_norm"] > 0).any():
        norm.set_yscale("log")
    norm.set_xlabel("step of the hero's life")
    for axes in (losses, rate, norm):
        axes.grid(visible=True, alpha=0.25)
        axes.ticklabel_format(axis="x", style="plain", useOffset=False)
    picture = io.BytesIO()
    figure.savefig(picture, format="png")
    return picture.getvalue()


def _losses(axes: Any, records: Records, curves: list[ValidationCurve]) -> None:
    axes.plot(records["step"], records["loss"], color=_GREY, linewidth=0.6, alpha=0.6, label="training, each step")
    for number, curve in enumerate(curves[:MOST_SETS]):
        rows = f" ({curve.rows} rows)" if curve.rows else ""
        axes.plot(
            *zip(*curve.points, strict=True), color=f"C{number % 10}", marker="o", markersize=4, linewidth=1.2,
            linestyle="--", label=_plain(f"validation {curve.label}{rows}"),
        )  # fmt: skip
    axes.set_ylabel("loss (nats per token)")
    sound = records["loss"][np.isfinite(records["loss"])]
    if len(sound) and 0 < sound.min() < sound.max() / WIDE:
        axes.set_yscale("log")
    if not len(records) and not curves:
        axes.text(0.5, 0.5, "no step was measured yet", ha="center", transform=axes.transAxes)


def _average(axes: Any, everything: Records, shown: Records) -> None:
    """Of all steps: the ones that are shown are the lowest and highest of their stretch, and no fair sample."""
    sound = everything[np.isfinite(everything["loss"])]
    if not len(sound):
        return
    width = max(LEAST_SMOOTHED, int(len(sound) * SMOOTHED_SHARE))
    places = np.unique(np.searchsorted(sound["step"], shown["step"]).clip(max=len(sound) - 1))
    means = _means_around(sound["loss"].astype(np.float64), places, width)
    axes.plot(sound["step"][places], means, color=_TRAIN, linewidth=1.8, label=f"training, mean of {width} steps")


def _line(axes: Any, records: Records, name: str, colour: str, label: str) -> None:
    axes.plot(records["step"], records[name], color=colour, linewidth=0.9)
    axes.set_ylabel(label)


def _means_around(loss: Series, places: npt.NDArray[np.int64], width: int) -> Series:
    sums = np.concatenate(([0.0], np.cumsum(loss)))
    low, high = np.maximum(places - width // 2, 0), np.minimum(places + width // 2 + 1, len(loss))
    means: Series = (sums[high] - sums[low]) / (high - low)
    return means


def _plain(text: str) -> str:
    """A dollar sign would begin mathematics."""
    return text.replace("$", r"\$")
