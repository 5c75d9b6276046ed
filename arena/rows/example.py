"""What a row becomes when it is trained on: shifted, cut to length, or refused. The trainer, the gatekeepers and the
preview decide here, so that they never disagree. No torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from arena.rows.masking import MaskingError, Tokenized

IGNORE = -100


@dataclass(frozen=True, slots=True)
class Example:
    """One conversation, already shifted: at slot i the hero reads `inputs[i]` and must say `labels[i]`.

    int64, shape (n,). Slots behind the last label are cut off: they would be computed for nothing.
    """

    line: int
    inputs: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def trained_tokens(self) -> int:
        return int((self.labels != IGNORE).sum())


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a row that could be read is not trained on. `mask`: without one; too many such rows damn the quest."""

    kind: Literal["mask", "too-long"]
    reason: str


def fitted(tokenized: Tokenized | MaskingError, max_length: int, over_long: str) -> Tokenized | Unfit:
    """What of a row is trained on by a recipe of this `max_length` and `over_long`: all of it, or a copy that is cut;
    else why nothing."""
    if isinstance(tokenized, MaskingError):
        return Unfit("mask", str(tokenized))
    slots = tokenized.slots
    if not slots:
        return Unfit("mask", "no token of this row is trained on")
    if slots <= max_length:
        return tokenized
    if over_long == "refuse":
        reason = f"{slots} tokens are more than max_length {max_length}; raise it, or set over_long to truncate"
        return Unfit("too-long", reason)
    cut = tokenized.cut(max_length + 1)
    if not cut.slots:
        return Unfit("too-long", f"the first {max_length} tokens are all prompt: nothing to train on; raise max_length")
    return cut


def shift(line: int, input_ids: Sequence[int], trained: Sequence[bool]) -> Example:
    """At each slot the next token is the label, if it is one to be learned. Slots behind the last label are cut off.

    The first token is nobody's label: nothing stands before it that could predict it.
    """
    ids = np.asarray(input_ids, dtype=np.int64)
    labels = np.where(np.asarray(trained, dtype=bool)[1:], ids[1:], IGNORE)
    (learned,) = np.nonzero(labels != IGNORE)
    end = int(learned[-1]) + 1 if len(learned) else 0
    return Example(line, ids[:end], labels[:end])
