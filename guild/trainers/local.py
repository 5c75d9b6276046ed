"""A trainer that is a Python class: its own methods, watched over."""

from __future__ import annotations

import types
from collections.abc import Callable, Sequence
from typing import Any, cast

from guild.errors import TrainerUnavailable
from guild.trainers import checks
from guild.trainers.contract import Generator, Trainer
from guild.trainers.problems import Problem

Levels = tuple[dict[str, Any], ...]


def make(cls: type[Generator], skill: str, levels: Levels) -> Trainer:
    """An instance of `cls` that keeps what the contract promises.

    Whatever else `cls` offers, such as `size(level)`, stays within reach. Raises what `cls` raises.
    """
    watched = types.new_class(cls.__name__, (_Watched, cls))
    watched.__module__ = cls.__module__
    trainer = cast("Callable[[str, Levels], _Watched]", watched)(skill, levels)
    trainer.watched_skill, trainer.watched_levels = skill, len(levels)
    return cast(Trainer, trainer)


class _Watched:
    """Stands before the class in the order of its methods."""

    is_remote = False
    watched_skill: str
    watched_levels: int

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        checks.check_level(self.watched_skill, level, self.watched_levels)
        who = f"skill {self.watched_skill}"
        try:
            problems = super().sample(level=level, count=count, seed=seed)  # type: ignore[misc]
        except TrainerUnavailable:
            raise
        except Exception as error:
            raise _failed(who, f"{count} problems of level {level}", error) from error
        return checks.distinct(problems, count, who=who, level=level)

    def judge(self, problem: Problem, answer: str) -> bool:
        try:
            return bool(super().judge(problem, answer))  # type: ignore[misc]
        except Exception as error:
            raise _failed(f"skill {self.watched_skill}", "a verdict", error) from error

    def judge_all(self, problems: Sequence[Problem], answers: Sequence[str]) -> list[bool]:
        return [self.judge(*pair) for pair in zip(problems, answers, strict=True)]


def _failed(who: str, asked: str, error: Exception) -> TrainerUnavailable:
    """A class of the player's own may raise anything; the game goes on without it."""
    told = " ".join(str(error).split())
    return TrainerUnavailable(f"{who}: its trainer was asked for {asked} and failed: {type(error).__name__}: {told}")
