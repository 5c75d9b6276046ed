"""Expressions on binary words: `UNSIGNED 8 BITS: (⓪… ADD NOT ①…) XOR ⓪…`.

Every operation takes and gives words of the stated width, as a processor's unsigned arithmetic does: what runs over is
lost, what is shifted in is ⓪. Brackets stand around everything but the outermost operation and single words.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Literal

from guild.trainers.numbering import FEWEST_PROBLEMS, digits, numbers_of, spread

OperationName = Literal["AND", "OR", "XOR", "ADD", "SUB", "MAX", "MIN", "MUL"]
ChangeName = Literal["NOT", "SHL1", "SHR1", "ROL1", "ROR1", "INC", "DEC", "NEG", "REVERSE", "POPCOUNT", "PARITY"]
Shape = int | tuple["Shape", "Shape"]
"""A tree of brackets whose leaves are the places of the words."""

OPERATIONS: dict[str, Callable[[int, int], int]] = {
    "AND": lambda a, b: a & b,
    "OR": lambda a, b: a | b,
    "XOR": lambda a, b: a ^ b,
    "ADD": lambda a, b: a + b,
    "SUB": lambda a, b: a - b,
    "MAX": max,
    "MIN": min,
    "MUL": lambda a, b: a * b,
}
CHANGES: dict[str, Callable[[int, int], int]] = {
    "NOT": lambda a, width: ~a,
    "SHL1": lambda a, width: a << 1,
    "SHR1": lambda a, width: a >> 1,
    "ROL1": lambda a, width: a << 1 | a >> (width - 1),
    "ROR1": lambda a, width: a >> 1 | a << (width - 1),
    "INC": lambda a, width: a + 1,
    "DEC": lambda a, width: a - 1,
    "NEG": lambda a, width: -a,
    "REVERSE": lambda a, width: int(f"{a:0{width}b}"[::-1], 2),
    "POPCOUNT": lambda a, width: a.bit_count(),
    "PARITY": lambda a, width: a.bit_count() & 1,
}
MOST_WORDS, MOST_BITS = 6, 32


@dataclass(frozen=True, kw_only=True)
class ExpressionLevel:
    words: int
    """Words in an expression."""
    width: int
    """Bits of each word and of the answer."""
    operations: tuple[OperationName, ...]
    changes: tuple[ChangeName, ...] = ()
    """What may be done to a word before it is used; as often as each of them, nothing is."""
    brackets: Literal["left", "free"] = "left"
    """Worked out from left to right, or in any order that brackets can say."""

    def __post_init__(self) -> None:
        for key, names in (("operations", self.operations), ("changes", self.changes)):
            if len(set(names)) != len(names):
                raise ValueError(f"{key}: one of them stands there twice")
        if not self.operations:
            raise ValueError("operations: at least one is needed")
        if not 2 <= self.words <= MOST_WORDS:
            raise ValueError(f"words: {self.words} is not allowed; allowed are 2 to {MOST_WORDS}")
        if not 1 <= self.width <= MOST_BITS or self.total < FEWEST_PROBLEMS:
            raise ValueError(f"width: {self.width} bits do not make {FEWEST_PROBLEMS} different problems")

    @cached_property
    def _bases(self) -> list[int]:
        """Choices: how the brackets stand, each operation, each change, each word."""
        return [
            len(shapes(self.words, self.brackets)),
            *[len(self.operations)] * (self.words - 1),
            *[len(self.changes) + 1] * self.words,
            *[1 << self.width] * self.words,
        ]

    @cached_property
    def total(self) -> int:
        """How many different expressions there are."""
        return math.prod(self._bases)

    @property
    def size(self) -> int:
        return numbers_of(self.total)

    def problem(self, number: int) -> tuple[str, int, int]:
        """Prompt, answer and the bits that the answer is written with."""
        which, *choices = digits(spread(number, self.total), self._bases)
        joints = self.words - 1
        names = [self.operations[choice] for choice in choices[:joints]]
        changes = [("", *self.changes)[choice] for choice in choices[joints : joints + self.words]]
        values = choices[joints + self.words :]
        shape = shapes(self.words, self.brackets)[which]
        leaves = [self._leaf(change, value) for change, value in zip(changes, values, strict=True)]
        text, answer = self._join(shape, names, leaves)
        return f"UNSIGNED {self.width} BITS: {text}", answer, self.width

    def _leaf(self, change: str, value: int) -> tuple[str, int]:
        word = circled(value, self.width)
        if not change:
            return word, value
        return f"{change} {word}", self._cut(CHANGES[change](value, self.width))

    def _join(self, shape: Shape, names: list[OperationName], leaves: list[tuple[str, int]]) -> tuple[str, int]:
        if isinstance(shape, int):
            return leaves[shape]
        left, right = (self._join(part, names, leaves) for part in shape)
        texts = [
            text if isinstance(part, int) else f"({text})" for part, (text, _) in zip(shape, (left, right), strict=True)
        ]
        name = names[_last_place(shape[0])]  # the operation that stands between the two parts
        return f"{texts[0]} {name} {texts[1]}", self._cut(OPERATIONS[name](left[1], right[1]))

    def _cut(self, value: int) -> int:
        return value & (1 << self.width) - 1


def _last_place(shape: Shape) -> int:
    return shape if isinstance(shape, int) else _last_place(shape[1])


@cache
def shapes(words: int, brackets: str) -> tuple[Shape, ...]:
    """Every way to set brackets around so many words, or the one from left to right."""
    found = _trees(0, words)
    return found if brackets == "free" else found[-1:]


def _trees(start: int, end: int) -> tuple[Shape, ...]:
    """The last one splits off its right end each time: from left to right."""
    if end - start == 1:
        return (start,)
    return tuple(
        (left, right)
        for middle in range(start + 1, end)
        for left in _trees(start, middle)
        for right in _trees(middle, end)
    )


def circled(value: int, width: int) -> str:
    """The last `width` bits of `value`, the highest first."""
    return "".join("①" if value >> place & 1 else "⓪" for place in reversed(range(width)))
