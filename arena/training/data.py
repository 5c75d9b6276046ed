"""A quest as optimizer steps of packed rows. Only here are labels shifted and masks applied.

A packed row is a budget of `max_length` tokens; what a step computes are the row's examples, without padding.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from arena.formats import Refusal, read_rows
from arena.protocol import Recipe
from arena.training.batch import IGNORE, Batch, Example, join
from arena.training.masking import ChatMask, MaskingError
from arena.training.packing import pack_best_fit_decreasing


class UntrainableQuest(ValueError):
    """The quest as a whole cannot be trained on; the text says why."""


@dataclass(frozen=True, slots=True)
class LoadedQuest:
    examples: list[Example]
    refused: list[Refusal]
    truncated: int


def load_quest(path: Path, mask: ChatMask, recipe: Recipe) -> LoadedQuest:
    """Tokenise and mask every row; rows that cannot be trained on are refused by line, never dropped silently.

    Raises UntrainableQuest if nothing is left.
    """
    examples: list[Example] = []
    refused: list[Refusal] = []
    truncated = 0
    for row in read_rows(path):
        if isinstance(row, Refusal):
            refused.append(row)
            continue
        try:
            tokenized = mask.tokenize(row.messages)
            example = shift(row.line, tokenized.input_ids, tokenized.trained)
        except MaskingError as error:
            refused.append(Refusal(row.line, str(error)))
            continue
        if len(example) > recipe.max_length and recipe.over_long == "truncate":
            truncated += 1
            example = cut(example, recipe.max_length)
        reason = _why_not(example, recipe.max_length)
        if reason is None:
            examples.append(example)
        else:
            refused.append(Refusal(row.line, reason))
    if not examples:
        reason = f"line {refused[0].line}: {refused[0].reason}" if refused else "the file is empty"
        raise UntrainableQuest(f"no row can be trained on ({reason})")
    return LoadedQuest(examples, refused, truncated)


def shift(line: int, input_ids: Sequence[int], trained: Sequence[bool]) -> Example:
    """At each slot the next token is the label, if it is one to be learned."""
    ids = np.asarray(input_ids, dtype=np.int64)
    labels = np.where(np.asarray(trained, dtype=bool)[1:], ids[1:], IGNORE)
    (learned,) = np.nonzero(labels != IGNORE)
    end = int(learned[-1]) + 1 if len(learned) else 0
    return Example(line, ids[:end], labels[:end])


def cut(example: Example, length: int) -> Example:
    return Example(example.line, example.inputs[:length], example.labels[:length])


def _why_not(example: Example, max_length: int) -> str | None:
    if len(example) > max_length:
        return f"{len(example)} tokens are more than max_length {max_length}; raise it, or set over_long to truncate"
    if example.trained_tokens == 0:
        return "no token of this row is trained on"
    if example.trained_tokens == len(example) and len(example) > 1:
        return "the mask is full: the chat template shows no prompt before the answer"
    return None


class PackedQuest:
    """All examples of a quest, packed once; each epoch goes through the rows in an order of its own.

    The order depends on seed, quest and epoch alone, so a cursor of (epoch, position) finds its place again.
    """

    def __init__(self, examples: Sequence[Example], recipe: Recipe, *, quest_sha256: str) -> None:
        self._recipe = recipe
        self._key = f"{recipe.seed}:{quest_sha256}"
        # Shuffled before packing: best fit keeps file order among equals, and files are often sorted by kind.
        self.examples = list(examples)
        random.Random(self._key).shuffle(self.examples)
        self.rows = pack_best_fit_decreasing([len(example) for example in self.examples], recipe.max_length)
        self._order = functools.lru_cache(maxsize=1)(self._shuffled)

    @property
    def steps_per_epoch(self) -> int:
        return -(-len(self.rows) // self._recipe.rows_per_step)

    @property
    def total_steps(self) -> int:
        return self.steps_per_epoch * self._recipe.epochs

    @property
    def tokens(self) -> int:
        return sum(map(len, self.examples))

    @property
    def trained_share(self) -> float:
        return sum(example.trained_tokens for example in self.examples) / self.tokens

    @property
    def fill(self) -> float:
        """Share of the rows' budget that examples fill."""
        return self.tokens / (len(self.rows) * self._recipe.max_length)

    def lines_of_step(self, epoch: int, position: int) -> list[int]:
        """Line numbers of the quest file that this optimizer step trains on."""
        return [self.examples[index].line for row in self._step_rows(epoch, position) for index in self.rows[row]]

    def step(self, epoch: int, position: int) -> list[Batch]:
        """The micro-batches of one optimizer step."""
        rows = self._step_rows(epoch, position)
        size = self._recipe.rows_per_micro_batch
        return [self.batch(rows[first : first + size]) for first in range(0, len(rows), size)]

    def batch(self, rows: Iterable[int]) -> Batch:
        return join([self.examples[index] for row in rows for index in self.rows[row]])

    def _step_rows(self, epoch: int, position: int) -> list[int]:
        if not 0 <= position < self.steps_per_epoch:
            raise IndexError(f"position {position} is outside the epoch's {self.steps_per_epoch} steps")
        size = self._recipe.rows_per_step
        return self._order(epoch)[position * size : (position + 1) * size]

    def _shuffled(self, epoch: int) -> list[int]:
        order = list(range(len(self.rows)))
        random.Random(f"{self._key}:{epoch}").shuffle(order)
        return order


def batches_of(examples: Sequence[Example], recipe: Recipe) -> Iterator[Batch]:
    """Examples packed into micro-batches for scoring, where order does not matter."""
    rows = pack_best_fit_decreasing([len(example) for example in examples], recipe.max_length)
    for first in range(0, len(rows), recipe.rows_per_micro_batch):
        yield join([examples[index] for row in rows[first : first + recipe.rows_per_micro_batch] for index in row])
