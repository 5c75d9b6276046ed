"""The headers of a model's weight files, read without torch: names, types and shapes of its tensors."""

from __future__ import annotations

import functools
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena.rows.tokenizer import UnusableTokenizer
from realm.disk.regular_files import UnfitFile, open_regular

WEIGHT_FILES = "model*.safetensors"
LARGEST_HEADER_BYTES = 100_000_000
"""As safetensors allows."""
MOST_AXES = 8
_BITS = {
    "BOOL": 8, "U8": 8, "I8": 8, "F8_E5M2": 8, "F8_E4M3": 8, "F8_E8M0": 8, "I16": 16, "U16": 16, "F16": 16, "BF16": 16,
    "I32": 32, "U32": 32, "F32": 32, "I64": 64, "U64": 64, "F64": 64, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64,
}  # fmt: skip


@dataclass(frozen=True)
class TensorShape:
    dtype: str
    shape: tuple[int, ...]

    @property
    def numbers(self) -> int:
        return math.prod(self.shape)


def read_headers(folder: Path) -> dict[str, TensorShape]:
    """Every tensor of the model by name. Raises UnusableTokenizer, which names the file and what is wrong with it."""
    files = sorted(folder.glob(WEIGHT_FILES))
    if not files:
        raise UnusableTokenizer(f"the model {folder} holds no {WEIGHT_FILES}")
    _check_index(folder, {path.name for path in files})
    tensors: dict[str, TensorShape] = {}
    for path in files:
        try:
            tensors |= _read_header(path)
        except (OSError, UnfitFile, ValueError, RecursionError) as error:
            raise UnusableTokenizer(f"the model {folder}: {path.name} is no whole weight file: {error}") from error
    return tensors


def _read_header(path: Path) -> dict[str, TensorShape]:
    with open_regular(path) as file:
        size = path.stat().st_size
        length = int.from_bytes(file.read(8), "little")
        if not 2 <= length <= min(LARGEST_HEADER_BYTES, size - 8):
            raise ValueError(f"it says that its header has {length:,} bytes, and it has {size:,} in all")
        header = json.loads(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no mapping")
    tensors, ends = {}, [0]
    for name, value in header.items():
        if name != "__metadata__":
            tensors[name], end = _tensor(name, value)
            ends.append(end)
    if max(ends) != size - 8 - length:
        raise ValueError(f"its tensors end at byte {max(ends):,} of {size - 8 - length:,}")
    return tensors


def header_digest(path: Path) -> str:
    """SHA-256 of a weight file's header, and its size; a word where there is none. Read anew only after a change."""
    try:
        found = path.stat()
        return _header_digest(path, (found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
    except (OSError, UnfitFile) as error:
        return f"unfit: {error}"


@functools.lru_cache(maxsize=256)
def _header_digest(path: Path, stamp: tuple[int, ...]) -> str:
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = file.read(min(length, LARGEST_HEADER_BYTES))
    return f"{stamp[1]} {length} {hashlib.sha256(header).hexdigest()}"


def _tensor(name: str, value: Any) -> tuple[TensorShape, int]:
    """A tensor and where its bytes end."""
    if not isinstance(value, Mapping) or value.get("dtype") not in _BITS:
        raise ValueError(f"tensor {name[:80]} is of no known type")
    shape, offsets = value.get("shape", ()), value.get("data_offsets", ())
    if not _are_sizes(shape, MOST_AXES) or not _are_sizes(offsets, 2) or len(offsets) != 2:
        raise ValueError(f"tensor {name[:80]} has no shape or no place")
    tensor = TensorShape(value["dtype"], tuple(shape))
    if (offsets[1] - offsets[0]) * 8 != tensor.numbers * _BITS[tensor.dtype]:
        raise ValueError(f"tensor {name[:80]} is of shape {list(shape)}, which its bytes are not")
    return tensor, offsets[1]


def _are_sizes(value: Any, most: int) -> bool:
    return isinstance(value, list) and len(value) <= most and all(type(size) is int and size >= 0 for size in value)


def _check_index(folder: Path, files: set[str]) -> None:
    """A model in several files has an index, which must name these and lead nowhere else."""
    path = folder / "model.safetensors.index.json"
    if not path.exists() or "model.safetensors" in files:
        return
    try:
        named = set(json.loads(path.read_bytes())["weight_map"].values())
        missing = sorted(str(name) for name in named - files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnusableTokenizer(f"the model {folder}: {path.name} is no index of weight files: {error}") from error
    if missing:
        raise UnusableTokenizer(f"the model {folder}: {path.name} names {missing[0][:80]}, which is not there")
