"""Chance is what answers of the right form score that were meant for other problems."""

from __future__ import annotations

from pathlib import Path

import pytest

from guild.evaluation import chance
from guild.trainers.problems import Problem
from realm.world import World
from tests.support import few_skills


class Coin:
    """Half of the right answers are heads."""

    is_remote = False

    def judge_all(self, problems: list[Problem], answers: list[str]) -> list[bool]:
        return [problem.answer == answer for problem, answer in zip(problems, answers, strict=True)]


def coins(count: int) -> list[Problem]:
    return [Problem(f"throw {n}", "heads" if n % 2 else "tails", "bin", 1) for n in range(count)]


@pytest.fixture(autouse=True)
def skills(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few_skills.put(tmp_path / "skills", monkeypatch)
    monkeypatch.setattr("guild.skills.health.get_trainer", lambda name: Coin())


def test_of_a_coin_it_is_about_a_half(world: World) -> None:
    found = chance.of_problems(world, "bin", coins(100))
    assert found is not None
    assert found.total == 500
    assert 0 <= found.accuracy <= 1
    assert found == chance.of_problems(world, "bin", coins(100))
    shifts = [chance.of_problems(world, "bin", coins(count)) for count in range(50, 70)]
    assert sum(one.correct for one in shifts if one) / sum(one.total for one in shifts if one) == pytest.approx(
        0.5, abs=0.1
    )


def test_no_problem_is_given_its_own_answer(world: World) -> None:
    different = [Problem(str(n), str(n), "bin", 1) for n in range(7)]
    found = chance.of_problems(world, "bin", different)
    assert found is not None
    assert (found.correct, found.total) == (0, 42)


def test_a_single_problem_has_none(world: World) -> None:
    assert chance.of_problems(world, "bin", coins(1)) is None


def test_twin_with_its_own_answer_it_would_be_a_perfect_score(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chance.random.Random, "sample", lambda self, found, count: [0] * count)
    with pytest.raises(AssertionError):
        test_no_problem_is_given_its_own_answer(world)
