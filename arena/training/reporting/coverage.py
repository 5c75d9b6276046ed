"""How much of a hero has moved since its battle began: a checkpoint's weights held against the files it began from.

The files are read block by block, so nothing is kept in memory for it; NumPy alone compares, on the thread that has
just written the checkpoint, while training has torch's threads for itself.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor

from arena.hero import origin
from arena.hero.model import Hero
from arena.protocol import Order
from arena.training.examples import Examples
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.checkpoints.tensors import Stored, blocks, stored_tensors

log = logging.getLogger(__name__)

Flags = npt.NDArray[np.bool_]
Values = npt.NDArray[np.float64]

_ZEROS_AT_FIRST = ".lora_B."
"""Of an adapter that begins: its other matrices are drawn by chance and lie nowhere."""


@dataclass
class _Moved:
    """Of one tensor, or of several."""

    count: int = 0
    moved: int = 0
    distance2: float = 0.0
    before2: float = 0.0

    def add(self, other: _Moved) -> None:
        self.count += other.count
        self.moved += other.moved
        self.distance2 += other.distance2
        self.before2 += other.before2

    @property
    def relative(self) -> float | None:
        return math.sqrt(self.distance2 / self.before2) if self.before2 > 0 else None


class UpdateCoverage:
    """Of one battle, from what it began with to each of its checkpoints."""

    def __init__(self, order: Order, hero: Hero, examples: Examples, *, began_from: str | None) -> None:
        """`began_from` is the name of a checkpoint; None: the base model. The hero itself is not held on to."""
        self._order, self._examples, self._began_from = order, examples, began_from
        self._has_adapter = hero.has_adapter
        self._vocabulary_size = int(hero.causal_lm.config.get_text_config().vocab_size)
        self._names = tuple(hero.trainable)
        embedding: Any = hero.causal_lm.get_input_embeddings()
        self._vocabulary = next((name for name, one in hero.trainable.items() if one is embedding.weight), None)

    def of(self, weights: Mapping[str, Tensor]) -> dict[str, Any]:
        """The event's `coverage`: shares, relative distance and the tensor that moved farthest.

        `weights` are those of a checkpoint in host memory, by the model's own names. Empty where nothing can be
        compared: the files are gone, or training goes on in another mode.
        """
        try:
            return self._compared(weights)
        except (OSError, ValueError, DamagedCheckpoint, origin.UnloadableHero) as error:
            log.warning("what moved since the battle began cannot be told: %s", error)
            return {}

    def _compared(self, weights: Mapping[str, Tensor]) -> dict[str, Any]:
        everything, farthest, rows = _Moved(), (0.0, ""), None
        for name in self._names:
            stored = self._before.get(_in_files(name))
            begins = stored is None and self._adapter_begins and _ZEROS_AT_FIRST in name
            if name not in weights or not (begins or (stored and _alike(stored, weights[name]))):
                continue
            found, flags = _moved(weights[name], stored, by_row=name == self._vocabulary)
            everything.add(found)
            if found.relative is not None:
                farthest = max(farthest, (found.relative, name))
            rows = flags if flags is not None else rows
        if not everything.count:
            return {}
        told: dict[str, Any] = {
            "weights": everything.moved / everything.count,
            "change": everything.relative,
            "most_changed": farthest[1] or None,
            "rows_in_data": int(self._in_data.sum()),
        }
        return told | (self._of_rows(rows) if rows is not None else {})

    def _of_rows(self, moved: Flags) -> dict[str, float]:
        in_data = moved[self._in_data[: len(moved)].nonzero()]
        share = {"vocabulary_rows_in_data": float(in_data.mean())} if len(in_data) else {}
        return {"vocabulary_rows": float(moved.mean())} | share

    @cached_property
    def _in_data(self) -> Flags:
        return self._examples.tokens_seen(self._vocabulary_size)

    @cached_property
    def _before(self) -> dict[str, Stored]:
        folder = self._folder
        return stored_tensors(folder) if folder else {}

    @property
    def _folder(self) -> Path | None:
        """What the battle began with, where that holds what trains."""
        if self._began_from is None:
            return None if self._has_adapter else origin.folder_of(self._order.base_model)
        folder = Path(self._order.hero_folder) / self._began_from
        was_adapter = origin.is_adapter(sidecar.read(folder).mode)
        return folder if was_adapter == self._has_adapter else None

    @property
    def _adapter_begins(self) -> bool:
        return self._has_adapter and not self._before


def _in_files(name: str) -> str:
    """peft leaves the adapter's own name out."""
    return name.replace(".default.", ".")


def _alike(stored: Stored, weights: Tensor) -> bool:
    return stored.readable and stored.shape == tuple(weights.shape)


def _moved(weights: Tensor, stored: Stored | None, *, by_row: bool) -> tuple[_Moved, Flags | None]:
    """How far the weights are from those stored, or from zeros; with `by_row` also which rows moved at all."""
    now = weights.detach().float().numpy().reshape(-1)
    found, flags = _Moved(), np.zeros(len(weights), bool) if by_row else None
    width = now.size // len(weights) if by_row and len(weights) else 1
    at = 0
    for before in _zeros(now.size) if stored is None else blocks(stored):
        part = now[at : at + len(before)]
        differs = part != before
        distance = (part - before)[differs]
        found.add(_Moved(len(before), len(distance), float(np.dot(distance, distance)), float(np.dot(before, before))))
        if flags is not None:
            flags[np.unique((at + differs.nonzero()[0]) // width)] = True
        at += len(before)
    return found, flags


def _zeros(size: int) -> Iterator[Values]:
    yield np.zeros(size)
