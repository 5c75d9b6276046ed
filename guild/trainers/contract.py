"""What a skill's trainer offers: problems of a level, and the judgement of answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from guild.trainers.problems import Problem


class Generator(Protocol):
    """What a class named in a skill's file must offer; it is called with the skill's name and its levels."""

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        """`count` different problems; the same ones for the same seed, any for None."""
        ...

    def judge(self, problem: Problem, answer: str) -> bool: ...


class Trainer(Generator, Protocol):
    """What `guild.skills.registry.get_trainer` gives, whatever kind of trainer stands behind it.

    Each method raises ValueError for a level that the skill does not have, and errors.TrainerUnavailable if the
    trainer is down, slow, lies or repeats itself.
    """

    is_remote: bool
    """Whether a call may take seconds or fail: nothing that must not stand still waits for it."""

    def judge_all(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        """One verdict for each problem, in their order; a remote trainer is asked once for many."""
        ...
