"""Seeds and draws that are the same on every machine and in every Python version.

Of `random.Random` only seeding with an integer and `random()` are promised to stay as they are; so only these are used.
"""

from __future__ import annotations

import hashlib
import json
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")

LARGEST_RANGE = 2**53
"""A float of `random()` tells so many numbers apart."""


def derive(*parts: str | int) -> int:
    """One seed out of everything that makes a draw its own."""
    return int.from_bytes(hashlib.sha256(json.dumps(parts).encode()).digest()[:8])


def draw_distinct(size: int, count: int, source: random.Random) -> list[int]:
    """`count` different numbers of range(size), in the order drawn. `count` is at most half of `size`."""
    if not 0 <= count <= size // 2 or size > LARGEST_RANGE:
        raise ValueError(f"{count} different ones of {size} cannot be drawn; ask for at most half")
    drawn: dict[int, None] = {}
    while len(drawn) < count:
        drawn[int(source.random() * size)] = None
    return list(drawn)


def shuffled(items: Sequence[T], source: random.Random) -> list[T]:
    places = [(source.random(), index) for index in range(len(items))]
    return [items[index] for _, index in sorted(places)]
