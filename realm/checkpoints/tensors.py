"""The numbers in a checkpoint's weight files, a block at a time. NumPy alone: no process needs torch to look at them.

safetensors' own reader hands NumPy neither bfloat16 nor less than a tensor, so the files are read by their format: the
header's length in eight bytes, the header as JSON, then the tensors in row-major order, little-endian.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.disk.regular_files import UnfitFile, open_regular

BLOCK = 2**20
"""Weights that are held at once."""
LARGEST_HEADER = 100 * 2**20
_TYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "<i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "<u1", "BOOL": "<u1",
}  # fmt: skip

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stored:
    """Where a tensor lies."""

    path: Path
    dtype: str
    """As safetensors writes it: F32, BF16, …"""
    shape: tuple[int, ...]
    start: int
    """Of its first byte in the file."""
    size_bytes: int

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def readable(self) -> bool:
        """Whether its numbers can be had; those of eight and less bits cannot."""
        return self.dtype in _TYPES


def stored_tensors(folder: Path) -> dict[str, Stored]:
    """Of every weight file of a checkpoint or a model, by name.

    Raises DamagedCheckpoint for what is no safetensors file, or OSError.
    """
    files = [path for name, path in sidecar.files_of(folder).items() if sidecar.is_weight_file(name)]
    return {name: stored for path in files for name, stored in _header(path)}


def blocks(stored: Stored) -> Iterator[Values]:
    """Its numbers in order, at most BLOCK at once. Raises OSError."""
    with open_regular(stored.path) as file:  # mapped, its pages would count as memory of the process
        file.seek(stored.start)
        for start in range(0, stored.count, BLOCK):
            part = np.fromfile(file, _TYPES[stored.dtype], min(BLOCK, stored.count - start))
            if stored.dtype == "BF16":
                part = (part.astype(np.uint32) << 16).view(np.float32)
            yield part.astype(np.float64)


def same_bytes(a: Stored, b: Stored) -> bool:
    with open_regular(a.path) as ours, open_regular(b.path) as theirs:
        ours.seek(a.start)
        theirs.seek(b.start)
        left = a.size_bytes
        while left:
            size = min(left, BLOCK)
            if ours.read(size) != theirs.read(size):
                return False
            left -= size
    return a.size_bytes == b.size_bytes


def _header(path: Path) -> Iterator[tuple[str, Stored]]:
    try:
        with open_regular(path) as file:
            size_bytes = path.stat().st_size
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= min(LARGEST_HEADER, size_bytes - 8):
                raise ValueError(f"a header of {length} bytes cannot be")
            told: Any = json.loads(file.read(length))
        for name, entry in told.items():
            if name != "__metadata__":
                yield name, _stored(path, entry, data=8 + length, size_bytes=size_bytes)
    except (UnfitFile, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DamagedCheckpoint(f"{path.parent.name}: {path.name} is no safetensors file: {error}") from error


def _stored(path: Path, entry: Any, *, data: int, size_bytes: int) -> Stored:
    start, end = (data + int(at) for at in entry["data_offsets"])
    shape = tuple(int(size) for size in entry["shape"])
    stored = Stored(path=path, dtype=str(entry["dtype"]), shape=shape, start=start, size_bytes=end - start)
    if not data <= start <= end <= size_bytes or min(shape, default=0) < 0:
        raise ValueError("a tensor lies outside of it")
    if stored.readable and stored.count * np.dtype(_TYPES[stored.dtype]).itemsize != stored.size_bytes:
        raise ValueError("a tensor has another size than its shape")
    return stored
