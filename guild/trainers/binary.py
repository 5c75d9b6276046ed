"""Binary Alchemy: arithmetic in circled notation, ⓪ for 0 and ① for 1.

A level of single operations has the operation first and operands and answer of a fixed width, so that bit and answer
are always equally far apart; number 0 is the first operation on all-zero operands. A level with the key `words` asks
for expressions (`binary_words`).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from guild.trainers.binary_words import ExpressionLevel, circled
from guild.trainers.numbering import FEWEST_PROBLEMS
from guild.trainers.problems import Problem
from guild.trainers.seeds import LARGEST_RANGE, derive, draw_distinct
from realm import strict

OperationName = Literal["NOT", "AND", "OR", "XOR", "ADD"]


@dataclass(frozen=True)
class Operation:
    operands: int
    compute: Callable[..., int]
    extra_bits: int = 0
    """By how many bits the answer is wider than an operand."""


OPERATIONS: dict[str, Operation] = {
    "NOT": Operation(1, lambda a: ~a),
    "AND": Operation(2, lambda a, b: a & b),
    "OR": Operation(2, lambda a, b: a | b),
    "XOR": Operation(2, lambda a, b: a ^ b),
    "ADD": Operation(2, lambda a, b: a + b, extra_bits=1),
}


@dataclass(frozen=True, kw_only=True)
class BinaryLevel:
    operations: tuple[OperationName, ...]
    width: int
    """Bits of each operand."""

    def __post_init__(self) -> None:
        if not self.operations or len({OPERATIONS[name].operands for name in self.operations}) != 1:
            raise ValueError("operations: at least one is needed, all with the same number of operands")
        if len(set(self.operations)) != len(self.operations):
            raise ValueError("operations: one of them stands there twice")
        if not 1 <= self.width <= 50 or not FEWEST_PROBLEMS <= self.size <= LARGEST_RANGE:
            raise ValueError(
                f"width: {self.width} bits do not make between {FEWEST_PROBLEMS} and {LARGEST_RANGE} different problems"
            )

    @property
    def operands(self) -> int:
        return OPERATIONS[self.operations[0]].operands

    @property
    def size(self) -> int:
        """How many different problems there are."""
        return len(self.operations) << (self.width * self.operands)

    def problem(self, number: int) -> tuple[str, int, int]:
        """Prompt, answer and the bits that the answer is written with."""
        which, bits = divmod(number, 1 << (self.width * self.operands))
        name = self.operations[which]
        operation = OPERATIONS[name]
        values = [bits >> (self.width * place) & (1 << self.width) - 1 for place in range(self.operands)]
        prompt = " ".join([name, *(circled(value, self.width) for value in values)])
        return prompt, operation.compute(*values), self.width + operation.extra_bits


class BinaryAlchemist:
    """Generator and judge of BIN."""

    def __init__(self, skill: str, levels: Sequence[dict[str, Any]]) -> None:
        """`levels` as they stand in the skill's file; raises strict.BadConfig naming the key if one is bad."""
        self.skill = skill
        self._levels = [_read_level(level, f"levels[{index}]") for index, level in enumerate(levels)]

    def size(self, level: int) -> int:
        return self._level(level).size

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """`count` different problems; the same ones for the same seed on every machine, any for None."""
        source = random.Random() if seed is None else random.Random(derive(self.skill, level, seed))
        return [self.problem(level, number) for number in draw_distinct(self.size(level), count, source)]

    def problem(self, level: int, number: int) -> Problem:
        """The problem of that number, counted from 0; no two numbers make the same one."""
        prompt, value, bits = self._level(level).problem(number)
        return Problem(prompt, circled(value, bits), self.skill, level)

    def judge(self, problem: Problem, answer: str) -> bool:
        """Exact; only white space around the answer is forgiven."""
        return answer.strip() == problem.answer

    def _level(self, level: int) -> BinaryLevel | ExpressionLevel:
        if not 1 <= level <= len(self._levels):
            raise ValueError(f"{self.skill} has no level {level}; it has 1 to {len(self._levels)}")
        return self._levels[level - 1]


def _read_level(level: dict[str, Any], source: str) -> BinaryLevel | ExpressionLevel:
    if "words" in level:
        return strict.read(ExpressionLevel, level, source=source)
    return strict.read(BinaryLevel, level, source=source)
