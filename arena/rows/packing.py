"""Best-fit-decreasing packing of examples into rows of fixed length, and the order of rows. Lengths in, indices out.

Works on flat arrays, a whole class of equal lengths at a time: a million examples need some 30 bytes each while they
are packed and 8 afterwards.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import numpy.typing as npt


class ExampleTooLong(ValueError):
    """An example is never split or cut here."""


@dataclass(frozen=True, slots=True, eq=False)
class Rows(Sequence[list[int]]):
    """Row r holds the examples `order[starts[r] : starts[r + 1]]`. int64, shapes (examples,) and (rows + 1,)."""

    order: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def __add__(self, more: Rows) -> Rows:
        """These rows, then those of `more`, of the same examples."""
        order = np.concatenate([self.order, more.order])
        return Rows(order, np.concatenate([self.starts, more.starts[1:] + self.starts[-1]]))

    @overload
    def __getitem__(self, row: int) -> list[int]: ...
    @overload
    def __getitem__(self, row: slice) -> list[list[int]]: ...
    def __getitem__(self, row: int | slice) -> list[int] | list[list[int]]:
        if isinstance(row, slice):
            return [self[index] for index in range(len(self))[row]]
        index = range(len(self))[row]
        indices: list[int] = self.order[self.starts[index] : self.starts[index + 1]].tolist()
        return indices


def pack_best_fit_decreasing(lengths: npt.ArrayLike, row_length: int) -> Rows:
    """Indices of `lengths` grouped into rows whose lengths sum to at most `row_length`.

    Longest first, each into the row with the least space that still holds it, so equal input gives equal rows.
    Raises ExampleTooLong. Source: best-fit decreasing bin packing (Johnson 1974).
    """
    tokens = np.asarray(lengths, dtype=np.int32)
    unfit = np.flatnonzero((tokens < 1) | (tokens > row_length))
    if len(unfit):
        first = int(unfit[0])
        raise ExampleTooLong(f"example {first} has {tokens[first]} tokens; a row holds 1 to {row_length}")
    longest_first = np.argsort(-tokens, kind="stable")
    row_of = _rows_of(np.bincount(tokens, minlength=1), row_length)
    in_rows = np.argsort(row_of, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(row_of))]).astype(np.int64)
    return Rows(longest_first[in_rows], starts)


def count_rows(count_of_length: npt.NDArray[np.int64], row_length: int) -> int:
    """How many rows `pack_best_fit_decreasing` makes of so many examples of each length, in memory for lengths only.

    `count_of_length[n]` examples have n tokens, int64, shape (row_length + 1,).
    """
    free: Counter[int] = Counter()  # rows by the space that is left in them
    spaces = opened = 0  # bit s is set while some row has exactly s free slots
    for length in np.flatnonzero(count_of_length)[::-1].tolist():
        left = int(count_of_length[length])
        while left:
            fitting = spaces >> length
            space = length + (fitting & -fitting).bit_length() - 1 if fitting else row_length
            each = space // length
            if fitting:
                rows = free.pop(space)
                spaces ^= 1 << space
            else:
                rows = -(-left // each)
                opened += rows
            full = min(rows, left // each)
            last = left - full * each if full < rows and left - full * each < each else 0
            left -= full * each + last
            filled = ((each, full), (last, 1 if last else 0), (0, rows - full - (1 if last else 0)))
            for examples, count in filled:
                if count:
                    free[space - examples * length] += count
                    spaces |= 1 << (space - examples * length)
    return opened


def _rows_of(count_of_length: npt.NDArray[np.int64], row_length: int) -> npt.NDArray[np.int32]:
    """The row of each example, longest example first; int32, shape (examples,).

    Examples of one length are placed together. Into the tightest row that holds one of them, best fit goes on putting
    them until it holds none, since it stays the tightest; so each row takes as many as it has space for.
    """
    row_of = np.empty(int(count_of_length.sum()), dtype=np.int32)
    free = _Free(row_length)
    placed = 0
    for length in np.flatnonzero(count_of_length)[::-1].tolist():
        left = int(count_of_length[length])
        while left:
            space, rows = free.take_tightest(length)
            each = space // length
            if not len(rows):
                rows = free.open(-(-left // each))
            full = min(len(rows), left // each)
            _place(row_of, placed, rows[:full], each)
            free.add(space - each * length, rows[:full])
            placed, left, rows = placed + full * each, left - full * each, rows[full:]
            if left < each and len(rows):
                _place(row_of, placed, rows[:1], left)
                free.add(space - left * length, rows[:1])
                placed, left, rows = placed + left, 0, rows[1:]
            free.add(space, rows)
    return row_of


def _place(row_of: npt.NDArray[np.int32], first: int, rows: npt.NDArray[np.int32], each: int) -> None:
    row_of[first : first + len(rows) * each] = np.repeat(rows, each)


class _Free:
    """Rows by the space that is left in them."""

    def __init__(self, row_length: int) -> None:
        self._row_length = row_length
        self._opened = 0
        self._rows: list[list[npt.NDArray[np.int32]]] = [[] for _ in range(row_length + 1)]
        self._spaces = 0  # bit s is set while some row has exactly s free slots

    def take_tightest(self, length: int) -> tuple[int, npt.NDArray[np.int32]]:
        """The least space that holds `length` and all rows that have it; of a new row, and none, if there is none."""
        fitting = self._spaces >> length
        if not fitting:
            return self._row_length, np.empty(0, np.int32)
        space = length + (fitting & -fitting).bit_length() - 1
        rows, self._rows[space] = self._rows[space], []
        self._spaces &= ~(1 << space)
        return space, rows[0] if len(rows) == 1 else np.concatenate(rows)

    def open(self, count: int) -> npt.NDArray[np.int32]:
        self._opened += count
        return np.arange(self._opened - count, self._opened, dtype=np.int32)

    def add(self, space: int, rows: npt.NDArray[np.int32]) -> None:
        if len(rows):
            self._rows[space].append(rows)
            self._spaces |= 1 << space


@dataclass(frozen=True, slots=True)
class PackedOrder:
    """In which packed rows a quest is trained on, and in which order: decided by seed, quest, lengths and epoch alone.

    The trainer and the preview ask here, so that what is shown is what is trained on.
    """

    seed: int
    quest_sha256: str

    def rows(self, lengths: npt.NDArray[np.integer], max_length: int) -> Rows:
        """The packed rows of examples of these lengths, int, shape (examples,), in the file's order.

        Shuffled before packing: best fit keeps file order among equals, and files are often sorted by kind.
        """
        order = shuffled(len(lengths), self._key)
        packed = pack_best_fit_decreasing(lengths[order], max_length)
        return Rows(order[packed.order], packed.starts)

    def of_epoch(self, rows: int, epoch: int) -> npt.NDArray[np.int64]:
        """The numbers of the packed rows in the order in which an epoch goes through them."""
        return shuffled(rows, f"{self._key}:{epoch}")

    @property
    def _key(self) -> str:
        return f"{self.seed}:{self.quest_sha256}"


def shuffled(count: int, key: str) -> npt.NDArray[np.int64]:
    """The numbers below `count` in an order that `key` decides.

    NumPy promises that a bit generator's stream stays the same in every release; of its shuffles it does not.
    """
    digest = hashlib.sha256(key.encode()).digest()
    noise = np.random.Philox(key=np.frombuffer(digest[:16], "<u8")).random_raw(count)
    return np.argsort(noise, kind="stable")
