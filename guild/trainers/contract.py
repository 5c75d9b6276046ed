"""What a skill's trainer offers: problems of a level, and the judgement of answers."""

from __future__ import annotations

from typing import Protocol

from guild.problems import Problem


class Trainer(Protocol):
    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """`count` different problems; the same ones for the same seed, any for None."""
        ...

    def judge(self, problem: Problem, answer: str) -> bool: ...
