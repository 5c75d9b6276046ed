"""P4: how full packed rows are, and what is lost on the way, beside TRL's `bfd`, which packs windows of 1,000 rows.

Tokens are numbered, so that a token that is cut, dropped or doubled is found, and one that meets a stranger is, too.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from datasets import Dataset, disable_progress_bars
from trl import pack_dataset

from arena.rows.packing import pack_best_fit_decreasing
from scripts.bench import runs

EXAMPLES, QUICK_EXAMPLES = 20_000, 4_000
WINDOW = 1_000
"""Rows that TRL packs at a time: `map_kwargs` of its trainer leave the batch size of datasets.map."""

Lengths = npt.NDArray[np.int64]
MIXES: dict[str, tuple[int, Callable[[np.random.Generator, int], Lengths]]] = {
    "sums, rows of 256": (256, lambda dice, count: dice.integers(12, 60, count)),
    "chat, rows of 2048": (2048, lambda dice, count: np.clip(dice.lognormal(5.2, 0.8, count), 8, 2048).astype(int)),
    "long and short, rows of 2048": (2048, lambda dice, count: np.where(dice.random(count) < 0.3, 1400, 30)),
    "over half a row, rows of 512": (512, lambda dice, count: dice.integers(200, 330, count)),
    "documents, rows of 4096": (4096, lambda dice, count: np.clip(dice.pareto(1.2, count) * 300, 16, 4096).astype(int)),
}

FILLABLE = ("sums, rows of 256", "chat, rows of 2048", "documents, rows of 4096")
"""In the other mixes no packing could fill the rows: too few short examples for the gaps."""


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Nothing here depends on time, so nothing is repeated."""
    disable_progress_bars()
    mixes: dict[str, dict[str, dict[str, float]]] = {}
    for name, (row_length, draw) in MIXES.items():
        lengths = draw(np.random.default_rng(7), QUICK_EXAMPLES if quick else EXAMPLES)
        mixes[name] = {"ours": _ours(lengths, row_length), "peer": _peer(lengths, row_length)}
    ours, peer = ([mixes[name][side]["fill"] for name in FILLABLE] for side in ("ours", "peer"))
    lost = {side: sum(mix[side]["dropped"] for mix in mixes.values()) for side in ("ours", "peer")}
    return runs.row(
        "P4", min(ours), min(peer), "useful tokens / slots of packed rows, the worst mix that can fill them",
        dropped=lost, mixes=mixes, note="ours computes no slot that is not filled: its batches hold no padding",
        versions=runs.versions("trl", "datasets"),
    )  # fmt: skip


def _ours(lengths: Lengths, row_length: int) -> dict[str, float]:
    rows = pack_best_fit_decreasing(lengths.tolist(), row_length)
    placed = np.bincount(rows.order, minlength=len(lengths))
    return {
        "fill": round(float(lengths.sum() / (len(rows) * row_length)), 5),
        "dropped": int(lengths[placed != 1].sum()),
        "rows": len(rows),
    }


def _peer(lengths: Lengths, row_length: int) -> dict[str, float]:
    starts = np.concatenate([[0], np.cumsum(lengths)])
    rows = [list(range(start, end)) for start, end in itertools.pairwise(starts)]
    packed = pack_dataset(
        Dataset.from_dict({"input_ids": rows}), seq_length=row_length, strategy="bfd", map_kwargs={"batch_size": WINDOW}
    )
    counts = np.zeros(int(lengths.sum()), dtype=np.int64)
    for ids in packed["input_ids"]:
        counts[ids] += 1
    return {
        "fill": round(float(lengths.sum() / (len(packed) * row_length)), 5),
        "dropped": int((counts != 1).sum()),
        "rows": len(packed),
    }
