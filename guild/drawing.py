"""Problems of a level that no set holds."""

from __future__ import annotations

from collections.abc import Collection

from guild.problems import Problem
from guild.trainers.contract import Trainer


def draw(trainer: Trainer, *, level: int, count: int, seed: int, forbidden: Collection[str]) -> list[Problem]:
    """`count` problems whose keys are not in `forbidden`, or as many as the trainer has.

    Asked for more only where some of the first were forbidden, which among a million is rare: a level of a skill with
    many levels is held out of hundreds of problems.
    """
    chosen = _allowed(trainer.sample(level=level, count=count, seed=seed), forbidden)
    if len(chosen) < count and forbidden:
        more = trainer.sample(level=level, count=count + len(forbidden), seed=seed)
        chosen = _allowed(more, forbidden)[:count]
    return chosen


def _allowed(problems: list[Problem], forbidden: Collection[str]) -> list[Problem]:
    return [problem for problem in problems if problem.key not in forbidden]
