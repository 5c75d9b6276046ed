"""A day of samples in a file that never grows: each has the place of its time of day, and a checksum.

A restart goes on where it was; a torn record and one of a clock that has since been set back are left out.
"""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

EVERY_SECONDS = 10
SLOTS = 24 * 3600 // EVERY_SECONDS
_CHECKED, _TIME = "checksum", "time"

Records = npt.NDArray[np.void]


class Ring:
    """`fields` are 32-bit figures, NaN where unknown."""

    def __init__(self, path: Path, fields: tuple[str, ...]) -> None:
        self._path, self._fields = path, fields
        self._dtype = np.dtype([(_TIME, "<f8"), *((name, "<f4") for name in fields), (_CHECKED, "<u4")])

    def write(self, time: float, figures: dict[str, float | None]) -> None:
        record = np.full((), 0, self._dtype)
        record[_TIME] = time
        for name in self._fields:
            value = figures.get(name)
            record[name] = np.nan if value is None else value
        record[_CHECKED] = _checksum(record.tobytes())
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        try:
            os.pwrite(handle, record.tobytes(), int(time // EVERY_SECONDS) % SLOTS * self._dtype.itemsize)
        finally:
            os.close(handle)

    def read(self, since: float, until: float) -> Records:
        """Whole records of that time, the oldest first; none where there is no file."""
        try:
            data = self._path.read_bytes()
        except FileNotFoundError:
            data = b""
        records = np.frombuffer(data, self._dtype, count=min(len(data) // self._dtype.itemsize, SLOTS))
        with np.errstate(invalid="ignore"):
            wanted = records[(records[_TIME] >= since) & (records[_TIME] <= until)]
        whole = [bool(_checksum(record.tobytes()) == record[_CHECKED]) for record in wanted]
        kept: Any = wanted[np.array(whole, bool)]
        return np.asarray(kept[np.argsort(kept[_TIME])])


def _checksum(record: bytes) -> int:
    """Of all before the checksum itself. A hole of zeros has none."""
    return zlib.crc32(record[:-4]) or 1
