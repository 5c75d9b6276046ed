"""What answers at random would score: what a checkpoint has to beat before it has learned anything."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from guild.skills import health
from guild.trainers.problems import Problem
from realm.world import World

LEAST_JUDGED = 500
MOST_ROUNDS = 20
HOW = "each problem answered with the right answer of another one of its level, so that only the form is right"


@dataclass(frozen=True, kw_only=True)
class Chance:
    correct: int
    total: int
    """Answers that were judged: each problem several times, each time with another's answer."""

    @property
    def accuracy(self) -> float:
        return self.correct / self.total


def of_problems(world: World, skill: str, problems: Sequence[Problem]) -> Chance | None:
    """The same whenever it is asked for the same problems; None for a single one, which has no other beside it.

    Raises errors.UnknownSkill, errors.TrainerUnavailable.
    """
    count = len(problems)
    if count < 2:
        return None
    rounds = min(count - 1, MOST_ROUNDS, -(-LEAST_JUDGED // count))
    shifts = random.Random(f"chance {skill} {count}").sample(range(1, count), rounds)
    correct = 0
    with health.trainer_of(world, skill) as trainer:
        for shift in shifts:
            answers = [problems[(number + shift) % count].answer for number in range(count)]
            correct += sum(trainer.judge_all(problems, answers))
    return Chance(correct=correct, total=rounds * count)
