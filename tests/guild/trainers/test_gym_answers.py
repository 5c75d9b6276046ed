"""A hero's answer is never run as a program, however the task reads answers."""

from __future__ import annotations

from pathlib import Path

import pytest

from guild.trainers import gym
from guild.trainers.gym import GymTrainer
from guild.trainers.gym_answers import is_harmless


@pytest.mark.parametrize(
    "answer",
    [
        "42", "-3/4", "(3 + 4)*5 - 2", "x**2 + 3*x - 1", "x**(1/2)", "2*x^3", "log(x) + sin(2*x) + C", "Yes",
        "[[1, 2], [3, 4]]", "that's it", "50% of 'all'", "3 * 4 % 5",
        '["fill A", "pour A->B", "fill F"]', "Move disk 1 from Peg 1 to Peg 3", "x != 3",
    ],
)  # fmt: skip
def test_plain_answers_are_scored(answer: str) -> None:
    assert is_harmless(answer)


@pytest.mark.parametrize(
    "answer",
    [
        'exec("import os")', "(exec)(x)", "[open][0](x)", "().__class__", "ｅｘｅｃ(x)", "S.func(x)",
        "9**9**9", "9**(9**9)", "9**99999999", "9 ** -9**9", "9^9999", "9**9.0e9", "2**(3)(4)", "x**x2",
        "99999999!", "(9+9)!", "1" * 10_001,
        "[1]*999999999", "999999999 * [1]", "'a' * 999999999", "1<<999999999", "f'{1:999999999}'", "'%999999999d' % 1",
    ],
)  # fmt: skip
def test_what_might_run_is_not_scored(answer: str) -> None:
    assert not is_harmless(answer)


def attack(trainer: GymTrainer, path: Path) -> bool:
    problem = trainer.sample(level=1, count=1, seed=1)[0]
    return trainer.judge(problem, f'exec("open({str(path)!r}, {"w"!r}).close()")')


def test_an_answer_that_is_a_program_is_wrong_and_not_run(tmp_path: Path) -> None:
    assert not attack(GymTrainer("count", "countdown", ({},)), tmp_path / "broken-in")
    assert not (tmp_path / "broken-in").exists()


def test_without_the_look_at_it_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage."""
    monkeypatch.setattr(gym, "is_harmless", lambda answer: True)
    attack(GymTrainer("count", "countdown", ({},)), tmp_path / "broken-in")
    assert (tmp_path / "broken-in").exists()
