"""Problems of a level that no set holds."""

from __future__ import annotations

from collections.abc import Collection

from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem


def draw(trainer: Trainer, *, level: int, count: int, seed: int, forbidden: Collection[str]) -> list[Problem]:
    """`count` problems whose keys are not in `forbidden`, or as many as the trainer has.

    Asked for more only where some of the first were forbidden, which among a million is rare, and for as many as were:
    most of what is forbidden is of other levels and skills, and a small level need not have as many problems besides.
    """
    wanted, most = count, count + len(forbidden)
    chosen = _allowed(trainer.sample(level=level, count=wanted, seed=seed), forbidden)
    while len(chosen) < count and wanted < most:
        wanted = min(wanted + count - len(chosen), most)
        chosen = _allowed(trainer.sample(level=level, count=wanted, seed=seed), forbidden)[:count]
    return chosen


def _allowed(problems: list[Problem], forbidden: Collection[str]) -> list[Problem]:
    return [problem for problem in problems if problem.key not in forbidden]
