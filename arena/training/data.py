"""A quest as optimizer steps of packed rows.

A packed row is a budget of `max_length` tokens; what a step computes are the row's examples, without padding. However
large the quest, only a piece of it is in memory at a time, and about 40 bytes for each of its rows.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from arena.recipe import Recipe
from arena.rows.example import Unfit, fitted, shift
from arena.rows.formats import BUILT_IN, Specs
from arena.rows.limits import INSPECTED
from arena.rows.mask import Mask
from arena.rows.masking import NO_TEMPLATE
from arena.rows.packing import PackedOrder, Rows
from arena.rows.parse import Refusal, Row, in_pieces, read_rows, shortened
from arena.rows.tokenized import MaskingError, Tokenized
from arena.training.batch import Batch, join
from arena.training.examples import Examples, ExampleWriter

MOST_NAMED = 1000
"""Refused rows that are named; the others are counted."""
MOST_REPEATED = 2000
"""Rehearsed rows that an epoch trains on, where they are gone through more than once."""
MOST_UNMASKED_SHARE = 0.1
"""A quest is refused as a whole if more of its rows than this have no mask: then its template or its form is wrong."""


class UntrainableQuest(ValueError):
    """The quest as a whole cannot be trained on; the text says why."""


@dataclass(frozen=True, slots=True)
class LoadedQuest:
    examples: Examples
    refused: list[Refusal]
    """The first MOST_NAMED of the refused rows, in the file's order."""
    truncated: int
    """Rows that were cut to the recipe's `max_length` and are trained on."""
    refused_count: int
    rehearsed: int = 0
    """The last of the examples, which are not of the quest's own file; their lines are negative."""


def load_quest(
    path: Path,
    mask: Mask,
    recipe: Recipe,
    *,
    specs: Specs = BUILT_IN,
    set_aside: Collection[int] = (),
    rehearsal: Path | None = None,
    folder: Path | None = None,
    on_progress: Callable[[], None] = lambda: None,
) -> LoadedQuest:
    """Tokenise and mask every row; rows that cannot be trained on are refused by line, never dropped silently.

    Lines that were `set_aside` are passed over: who did it has named them. Rows of the `rehearsal` come last; those of
    them that cannot be trained on are left out. Tokens of a large quest go to a nameless
    file in `folder`, which is the quest's own where none is given. `on_progress` is called after each piece. Raises
    UntrainableQuest if nothing is left, or if too many rows have an empty mask, a full one, or none; MaskingError
    where only a chat template is missing, and Overrun.
    """
    with ExampleWriter(folder or path.parent) as writer:
        loading = _Loading(recipe, writer, has_template=mask.facts.has_template)
        rows = (row for row in read_rows(path, specs, INSPECTED) if row.line not in set_aside)
        for piece in in_pieces(rows):
            tokenized = iter(mask.tokenize_many([row.content for row in piece if isinstance(row, Row)]))
            for row in piece:
                if isinstance(row, Row):
                    loading.take(row.line, next(tokenized))
                else:
                    loading.refuse(row.line, row.reason, row.kind)
            on_progress()
        if rehearsal:
            for piece in in_pieces(row for row in read_rows(rehearsal, specs) if isinstance(row, Row)):
                found = [row for row in piece if isinstance(row, Row)]
                for row, result in zip(found, mask.tokenize_many([row.content for row in found]), strict=True):
                    loading.rehearse(row.line, result)
                on_progress()
        return loading.finish()


class _Loading:
    """What has become of the rows read so far."""

    def __init__(self, recipe: Recipe, writer: ExampleWriter, *, has_template: bool) -> None:
        self._recipe = recipe
        self._writer = writer
        self._has_template = has_template
        self._refused: list[Refusal] = []
        self._refused_count = self._truncated = self._tokenized = self._unmasked = self._rehearsed = 0
        self._first_unmasked: Refusal | None = None

    def take(self, line: int, tokenized: Tokenized | MaskingError) -> None:
        self._tokenized += 1
        fit = fitted(tokenized, self._recipe.max_length, self._recipe.over_long)
        if isinstance(fit, Unfit):
            self._without(line, fit)
            return
        self._truncated += fit is not tokenized
        self._writer.add(shift(line, fit.input_ids, fit.trained))

    def rehearse(self, line: int, tokenized: Tokenized | MaskingError) -> None:
        fit = fitted(tokenized, self._recipe.max_length, self._recipe.over_long)
        if not isinstance(fit, Unfit):
            self._writer.add(shift(-line, fit.input_ids, fit.trained))
            self._rehearsed += 1

    def refuse(self, line: int, reason: str, kind: str) -> None:
        self._refused_count += 1
        if len(self._refused) < MOST_NAMED:
            self._refused.append(Refusal(line, shortened(reason), kind))

    def finish(self) -> LoadedQuest:
        if len(self._writer) == self._rehearsed:
            if self._unmasked and not self._has_template:
                raise MaskingError(NO_TEMPLATE)
            first = self._refused[0] if self._refused else None
            reason = f"line {first.line}: {first.reason}" if first else "the file is empty"
            raise UntrainableQuest(f"no row can be trained on ({reason})")
        too_many = self._unmasked > MOST_UNMASKED_SHARE * self._tokenized
        if self._first_unmasked and too_many and self._has_template:
            raise UntrainableQuest(
                f"line {self._first_unmasked.line}: {self._first_unmasked.reason} "
                f"({self._unmasked} of {self._tokenized} rows have no mask to train by)"
            )
        return LoadedQuest(self._writer.finish(), self._refused, self._truncated, self._refused_count, self._rehearsed)

    def _without(self, line: int, unfit: Unfit) -> None:
        if unfit.kind == "mask":
            self._unmasked += 1
            self._first_unmasked = self._first_unmasked or Refusal(line, shortened(unfit.reason))
        self.refuse(line, unfit.reason, unfit.kind)


class PackedQuest:
    """All examples of a quest, packed once; each epoch goes through the rows in an order of its own.

    `rows[r]` are numbers of `examples`. The order depends on seed, quest and epoch alone, so a cursor of (epoch,
    position) finds its place again.
    """

    def __init__(self, examples: Examples, recipe: Recipe, *, quest_sha256: str, rehearsed: int = 0) -> None:
        """The last `rehearsed` examples are packed into rows of their own, so that the quest's rows are those that its
        preview shows."""
        self._recipe = recipe
        self._packed_order = PackedOrder(recipe.seed, quest_sha256)
        self.examples = examples
        lengths = examples.lengths
        own = len(lengths) - rehearsed
        self.rows = self._packed_order.rows(lengths[:own], recipe.max_length)
        self.rehearsed = rehearsed
        self.passes = min(max(1, MOST_REPEATED // rehearsed), recipe.rehearsal_epochs) if rehearsed else 0
        """Times that the rehearsed examples are trained on in each epoch."""
        if rehearsed:
            again = self._packed_order.rows(lengths[own:], recipe.max_length)
            again = Rows(again.order + own, again.starts)
            for _ in range(self.passes):
                self.rows += again
        self.tokens = int(lengths.sum(dtype=np.int64))
        """Of an epoch, with what is rehearsed as often as it is."""
        self._trained_tokens = examples.trained_tokens
        if self.passes > 1:
            self.tokens += (self.passes - 1) * int(lengths[own:].sum(dtype=np.int64))
            self._trained_tokens += (self.passes - 1) * sum(each.trained_tokens for each in examples[own:])
        self._order = functools.lru_cache(maxsize=1)(self._shuffled_rows)

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows) // self._recipe.rows_per_step)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self._recipe.epochs

    @property
    def trained_share(self) -> float:
        """Labels for each slot."""
        return self._trained_tokens / self.tokens

    @property
    def fill(self) -> float:
        """Share of the rows' budget of `max_length` slots each that examples fill.

        At least 99% for ordinary lengths from some dozens of rows on. A small quest cannot fill its last row: one that
        fits in a single row has the share of `max_length` that it is long. What is not filled is not computed either:
        batches hold no padding, so the slots of a step are its tokens.
        """
        return self.tokens / (len(self.rows) * self._recipe.max_length)

    def lines_of_step(self, epoch: int, position: int) -> list[int]:
        """Line numbers of the quest file that this optimizer step trains on; what it rehearses is not of that file."""
        lines = self.examples.lines_of(self.examples_of_step(epoch, position))
        return [line for line in lines if line > 0]

    def examples_of_step(self, epoch: int, position: int) -> list[int]:
        """Numbers of the examples that this optimizer step trains on, in the order of its micro-batches."""
        return self._indices(self._step_rows(epoch, position))

    def step(self, epoch: int, position: int, rows_per_micro_batch: int | None = None) -> list[Batch]:
        """The micro-batches of one optimizer step, of the recipe's size unless another is named."""
        rows = self._step_rows(epoch, position)
        size = rows_per_micro_batch or self._recipe.rows_per_micro_batch
        return [self.batch(rows[first : first + size]) for first in range(0, len(rows), size)]

    def batch(self, rows: Iterable[int]) -> Batch:
        return join([self.examples[index] for index in self._indices(rows)])

    def _indices(self, rows: Iterable[int]) -> list[int]:
        return [index for row in rows for index in self.rows[row]]

    def _step_rows(self, epoch: int, position: int) -> list[int]:
        if not 0 <= position < self.steps_per_epoch:
            raise IndexError(f"position {position} is outside the epoch's {self.steps_per_epoch} steps")
        size = self._recipe.rows_per_step
        rows: list[int] = self._order(epoch)[position * size : (position + 1) * size].tolist()
        return rows

    def _shuffled_rows(self, epoch: int) -> npt.NDArray[np.int64]:
        return self._packed_order.of_epoch(len(self.rows), epoch)
