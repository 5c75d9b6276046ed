"""Where each row of a quest stands and what became of it: `<file>.rows.npy`, NumPy's own format, without pickle.

A cache that can be made again by looking at the quest again. Written row by row, so that it costs no memory.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO, Self

import numpy as np
import numpy.typing as npt

DTYPE = np.dtype([("line", "<u4"), ("offset", "<u8"), ("tokens", "<i4"), ("trained", "<i4"), ("verdict", "u1")])
"""Line from 1; offset of its first byte in the decompressed file; slots and labels as packed, -1 where not counted."""
TAKEN, UNREADABLE, UNTRAINABLE, SET_ASIDE, HELD_OUT = range(5)
"""Verdicts. The trainer refuses unreadable and untrainable rows by itself; of those set aside or held out it must be
told."""
Records = npt.NDArray[np.void]


class ArrayWriter:
    """Appends to a one-dimensional `.npy` file whose length is known only at the end."""

    def __init__(self, path: Path, dtype: np.dtype[np.void] | np.dtype[np.uint64]) -> None:
        self._path, self._dtype = path, dtype
        self.count = 0
        self._file: BinaryIO = open(path, "w+b")  # noqa: SIM115
        self._write_header()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def append(self, values: npt.NDArray[np.void] | npt.NDArray[np.uint64]) -> None:
        self._file.write(values.astype(self._dtype, copy=False).tobytes())
        self.count += len(values)

    def finish(self) -> None:
        """NumPy leaves room in the header for the length to grow, so that it can be written over."""
        self._file.seek(0)
        self._write_header()
        self._file.flush()
        self._file.seek(0, os.SEEK_END)

    def _write_header(self) -> None:
        described = np.lib.format.dtype_to_descr(self._dtype)
        header = {"descr": described, "fortran_order": False, "shape": (self.count,)}
        np.lib.format.write_array_header_1_0(self._file, header)


def load(path: Path, *, mode: str = "r") -> Records | None:
    """The records, mapped; None for a file that is absent, cut short or none of ours."""
    try:
        found = np.lib.format.open_memmap(path, mode=mode)
    except (OSError, ValueError, EOFError, SyntaxError):
        return None
    return found if found.dtype == DTYPE and found.ndim == 1 else None


def set_aside_lines(records: Records) -> npt.NDArray[np.int64]:
    return _lines(records, records["verdict"] == SET_ASIDE)


def held_out_lines(records: Records) -> npt.NDArray[np.int64]:
    return _lines(records, records["verdict"] == HELD_OUT)


def left_out_lines(records: Records) -> npt.NDArray[np.int64]:
    """Lines that could be trained on and are not: set aside, or held out."""
    return _lines(records, records["verdict"] >= SET_ASIDE)


def refused(records: Records) -> npt.NDArray[np.bool_]:
    """Which rows were refused; those held out are sound."""
    is_refused: npt.NDArray[np.bool_] = (records["verdict"] != TAKEN) & (records["verdict"] != HELD_OUT)
    return is_refused


def _lines(records: Records, chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
    lines: npt.NDArray[np.int64] = records["line"][chosen].astype(np.int64)
    return lines
