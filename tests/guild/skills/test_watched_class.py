"""A skill whose class breaks its promises: the game hears of it in a sentence, and goes on."""

from __future__ import annotations

from typing import Any

import pytest

from guild.errors import TrainerUnavailable
from guild.trainers import checks, local
from guild.trainers.contract import Trainer
from guild.trainers.problems import Problem


class Honest:
    def __init__(self, skill: str, levels: tuple[dict[str, Any], ...]) -> None:
        self.skill = skill

    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        return [self.problem(level, number) for number in range(count)]

    def problem(self, level: int, number: int) -> Problem:
        return Problem(f"say {number}", str(number), self.skill, level)

    def judge(self, problem: Problem, answer: str) -> bool:
        return answer == problem.answer


class Repeating(Honest):
    """Knows seven problems."""

    def problem(self, level: int, number: int) -> Problem:
        return super().problem(level, number % 7)


class Silent(Honest):
    def problem(self, level: int, number: int) -> Problem:
        return Problem(f"say {number}", "", self.skill, level)


class Breaking(Honest):
    def problem(self, level: int, number: int) -> Problem:
        raise KeyError("lost")


class Stingy(Honest):
    def sample(self, *, level: int, count: int, seed: int | None = None) -> list[Problem]:
        return super().sample(level=level, count=count - 1, seed=seed)


def trainer(cls: type[Honest]) -> Trainer:
    return local.make(cls, "speech", ({}, {}))


def test_an_honest_class_gives_what_it_gives() -> None:
    watched = trainer(Honest)
    problems = watched.sample(level=2, count=50)
    assert isinstance(watched, Honest)
    assert (len(problems), watched.is_remote) == (50, False)
    assert watched.judge_all(problems[:2], ["0", "no"]) == [True, False]


@pytest.mark.parametrize(
    ("cls", "sentence"),
    [
        (Repeating, "skill speech: the problems of level 1 repeat: of 20 drawn, 7 are different"),
        (Silent, "skill speech: a problem of level 1 has answer empty"),
        (Breaking, "skill speech: its trainer was asked for 50 problems of level 1 and failed: KeyError: 'lost'"),
        (Stingy, "skill speech: level 1 gives 49 different problems where 50 are asked for"),
    ],
)
def test_a_class_that_breaks_its_promise_is_refused(cls: type[Honest], sentence: str) -> None:
    with pytest.raises(TrainerUnavailable, match=sentence):
        trainer(cls).sample(level=1, count=50)


def test_without_the_bar_repetitions_would_be_looked_for_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: the bar lowered to nothing, the same class is told of only when its supply ends."""
    monkeypatch.setattr(checks, "FEWEST_DISTINCT", 0.0)
    with pytest.raises(TrainerUnavailable, match="level 1 gives 7 different problems where 50 are asked for"):
        trainer(Repeating).sample(level=1, count=50)


@pytest.mark.parametrize("level", [0, 3])
def test_a_level_that_is_not_there_is_named(level: int) -> None:
    with pytest.raises(ValueError, match=f"speech has no level {level}; it has 1 to 2"):
        trainer(Honest).sample(level=level, count=1)
