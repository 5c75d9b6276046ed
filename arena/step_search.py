"""Where a step stands in a file of fixed-width records that begin with the hero's step and rise by it."""

from __future__ import annotations

from bisect import bisect_left
from pathlib import Path

_STEP_BYTES = 8
_BEYOND = 2**63


def place_of(path: Path, step: int, record_bytes: int) -> int:
    """Number of the first record of this step or a later one; that of all records where there is none.

    Some twenty small reads, however long the file: it is not mapped, since the trainer may cut it at any moment.
    """
    try:
        with open(path, "rb") as file:

            def step_at(place: int) -> int:
                file.seek(place * record_bytes)
                found = file.read(_STEP_BYTES)
                return int.from_bytes(found, "little", signed=True) if len(found) == _STEP_BYTES else _BEYOND

            return bisect_left(range(path.stat().st_size // record_bytes), step, key=step_at)
    except FileNotFoundError:
        return 0
