"""Binary Alchemy: arithmetic in circled notation, ⓪ for 0 and ① for 1.

The operation stands first and operands and answer have a fixed width, so that bit and answer are always equally far
apart. A level is a box of numbered problems: number 0 is the first operation on all-zero operands.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from guild.problems import Problem
from guild.seeds import LARGEST_RANGE, derive, draw_distinct
from realm import strict

FEWEST_PROBLEMS = 10**6

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


class BinaryAlchemist:
    """Generator and judge of BIN."""

    def __init__(self, skill: str, levels: Sequence[dict[str, Any]]) -> None:
        """`levels` as they stand in the skill's file; raises strict.BadConfig naming the key if one is bad."""
        self.skill = skill
        self._levels = [
            strict.read(BinaryLevel, level, source=f"levels[{index}]") for index, level in enumerate(levels)
        ]

    def size(self, level: int) -> int:
        return self._level(level).size

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """`count` different problems; the same ones for the same seed on every machine, any for None."""
        source = random.Random() if seed is None else random.Random(derive(self.skill, level, seed))
        return [self.problem(level, number) for number in draw_distinct(self.size(level), count, source)]

    def problem(self, level: int, number: int) -> Problem:
        """The problem of that number, counted from 0; no two numbers make the same one."""
        box = self._level(level)
        which, bits = divmod(number, 1 << (box.width * box.operands))
        name = box.operations[which]
        operation = OPERATIONS[name]
        values = [bits >> (box.width * place) & (1 << box.width) - 1 for place in range(box.operands)]
        prompt = " ".join([name, *(circled(value, box.width) for value in values)])
        answer = circled(operation.compute(*values), box.width + operation.extra_bits)
        return Problem(prompt, answer, self.skill, level)

    def judge(self, problem: Problem, answer: str) -> bool:
        """Exact; only white space around the answer is forgiven."""
        return answer.strip() == problem.answer

    def _level(self, level: int) -> BinaryLevel:
        if not 1 <= level <= len(self._levels):
            raise ValueError(f"{self.skill} has no level {level}; it has 1 to {len(self._levels)}")
        return self._levels[level - 1]


def circled(value: int, width: int) -> str:
    """The last `width` bits of `value`, the highest first."""
    return "".join("①" if value >> place & 1 else "⓪" for place in reversed(range(width)))
