"""The examples of a quest in flat arrays, so that a quest of a gigabyte needs no gigabyte of memory.

Tokens lie in memory up to a limit and beyond it in a file without a name, which vanishes with the process and is
mapped, so that the kernel keeps as much of it in memory as it can spare.
"""

from __future__ import annotations

import mmap
import tempfile
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import Self, overload

import numpy as np
import numpy.typing as npt

from arena.rows.example import IGNORE, Example

IN_MEMORY_BYTES = 32 * 1024**2
"""Tokens of a quest that stay in memory; with more, all of them go to a file."""
_AT_ONCE = 2**18


class Examples(Sequence[Example]):
    """Examples by number, made from the arrays when asked for.

    Example i is `tokens[starts[i] : starts[i + 1]]`, int32, one more than it has slots: a token is read at one slot and
    is the label of the slot before, if it is trained on; then it is stored as its complement, a negative number.
    """

    def __init__(
        self, tokens: npt.NDArray[np.int32], starts: npt.NDArray[np.int64], lines: npt.NDArray[np.int64], trained: int
    ) -> None:
        self._tokens, self._starts, self._lines = tokens, starts, lines
        self.trained_tokens = trained
        """Labels of all examples together."""

    def __len__(self) -> int:
        return len(self._lines)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[number] for number in range(len(self))[index]]
        number = range(len(self))[index]
        coded = self._tokens[self._starts[number] : self._starts[number + 1]].astype(np.int64)
        ids = np.where(coded < 0, ~coded, coded)
        return Example(int(self._lines[number]), ids[:-1], np.where(coded[1:] < 0, ids[1:], IGNORE))

    @property
    def lengths(self) -> npt.NDArray[np.int32]:
        """Slots of each example, shape (examples,)."""
        return (np.diff(self._starts) - 1).astype(np.int32)

    def tokens_seen(self, size: int) -> npt.NDArray[np.bool_]:
        """For each token id below `size` whether an example holds it."""
        seen = np.zeros(size, bool)
        for start in range(0, len(self._tokens), _AT_ONCE):
            coded = self._tokens[start : start + _AT_ONCE]
            ids = np.where(coded < 0, ~coded, coded)
            seen[ids[ids < size]] = True
        return seen

    def lines_of(self, indices: Sequence[int]) -> list[int]:
        """Where these examples stand in the quest file."""
        lines: list[int] = self._lines[indices].tolist()
        return lines


class ExampleWriter:
    """Takes examples one by one; `finish` hands all of them over. Closes its file as a context manager."""

    def __init__(self, folder: Path) -> None:
        """`folder` is where the file lies if one is needed."""
        self._file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES, dir=str(folder))  # noqa: SIM115
        self._starts, self._lines = array("q", [0]), array("q")
        self._trained = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._lines)

    def add(self, example: Example) -> None:
        trained = example.labels != IGNORE
        coded = np.empty(len(example) + 1, dtype=np.int32)
        coded[:-1], coded[-1] = example.inputs, example.labels[-1]
        coded[1:][trained] = ~coded[1:][trained]
        self._file.write(coded.tobytes())
        self._starts.append(self._starts[-1] + len(coded))
        self._lines.append(example.line)
        self._trained += int(trained.sum())

    def finish(self) -> Examples:
        """All examples. What lies in the file stays mapped while they are in use."""
        size = self._starts[-1] * np.dtype(np.int32).itemsize
        if size > IN_MEMORY_BYTES:
            self._file.flush()
            held: bytes | mmap.mmap = mmap.mmap(self._file.fileno(), size, access=mmap.ACCESS_READ)
        else:
            self._file.seek(0)
            held = self._file.read()
        return Examples(
            np.frombuffer(held, np.int32),
            np.frombuffer(self._starts, np.int64),
            np.frombuffer(self._lines, np.int64),
            self._trained,
        )
