"""A level as a box of numbered problems: from a number to the choices that make its problem, each number's its own."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache

from guild.trainers.seeds import LARGEST_RANGE

FEWEST_PROBLEMS = 10**6


def numbers_of(total: int) -> int:
    """How many of a box's `total` problems have a number: a draw tells no more apart."""
    return min(total, LARGEST_RANGE)


def spread(number: int, total: int) -> int:
    """Place of the problem of that number among all `total`, even where only some have a number.

    Neighbouring numbers lie a golden section of the box apart, and no two at the same place: the stride shares no
    divisor with `total`. Source: multiplicative (Fibonacci) hashing, Knuth, TAOCP 3, 6.4.
    """
    return number * _stride(total) % total


@cache
def _stride(total: int) -> int:
    stride = total * 618_033_988 // 10**9 | 1
    while math.gcd(stride, total) != 1:
        stride += 2
    return stride


def digits(place: int, bases: Sequence[int]) -> list[int]:
    """The digits of `place` in mixed bases, the first one the fastest; every combination has its own place."""
    found = []
    for base in bases:
        place, digit = divmod(place, base)
        found.append(digit)
    return found


def arrangement(place: int, size: int, count: int) -> list[int]:
    """`count` different numbers of range(size) in an order; places run to math.perm(size, count)."""
    chosen: list[int] = []
    for digit in digits(place, [size - taken for taken in range(count)]):
        for lower in sorted(chosen):
            digit += digit >= lower
        chosen.append(digit)
    return chosen
