"""Skills whose trainer is a task of reasoning-gym: one YAML file, no code."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from guild.curriculum.forge import forge_next
from guild.errors import TrainerUnavailable, UnknownSkill
from guild.evaluation.judging import judge_answers
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.skills.registry import broken_skills, get_skill, get_trainer, list_skills, read_skills
from guild.trainers import checks, gym
from guild.trainers.gym import GymTrainer
from realm.strict import BadConfig
from realm.world import CHECKOUT, World
from tests.support import skill_files

pytestmark = pytest.mark.slow

SUMS = "[{ min_terms: 2, max_terms: 2, min_digits: 2, max_digits: 4 }, { min_terms: 3, max_terms: 4 }]"


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("task", "levels"),
    [
        ("chain_sum", SUMS),
        ("basic_arithmetic", "[{ min_terms: 2, max_terms: 3, max_digits: 4, operators: ['+', '-'] }, {}]"),
        ("countdown", "[{ min_numbers: 3, max_numbers: 4 }, {}]"),  # judged by more than prompt and answer
    ],
)
def test_one_yaml_file_adds_a_skill_that_is_forged_and_judged(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str, levels: str
) -> None:
    skill_files.put(tmp_path / "skills", monkeypatch, "sums", trainer=f"reasoning-gym:{task}", levels=levels)
    (skill,) = read_skills()
    assert (skill.kind, skill.is_remote, skill.max_level) == ("reasoning-gym", True, 2)

    problems = get_trainer("sums").sample(level=2, count=100, seed=7)
    assert len({problem.prompt for problem in problems}) == 100
    assert {(problem.skill, problem.level) for problem in problems} == {("sums", 2)}

    rows = [json.loads(line) for line in forge_next(world, "DIO").read_bytes().splitlines()]
    assert len(rows) == 60
    assert {(row["skill"], row["level"]) for row in rows} == {("sums", 1)}

    asked = read_evaluation_set(ensure_evaluation_set(world, get_skill("sums"), 1), skill="sums", level=1)
    answers = [problem.answer for problem in asked[:3]] + ["wrong"] * 2
    verdict = judge_answers(
        hero="DIO", checkpoint="checkpoint-1", step=1, skill="sums", level=1, answers=answers, world=world
    )
    assert (verdict.correct, verdict.total) == (3, 5)


def trainer(task: str = "chain_sum", *levels: dict[str, Any]) -> GymTrainer:
    return GymTrainer("sums", task, levels or ({},))


def test_the_same_seed_gives_the_same_problems_and_another_seed_others() -> None:
    first, again, other = (trainer().sample(level=1, count=1500, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert len({problem.prompt for problem in first} & {problem.prompt for problem in other}) < 150


def test_another_process_draws_the_same_problems() -> None:
    code = (
        "from guild.trainers.gym import GymTrainer\n"
        "print(GymTrainer('sums', 'chain_sum', ({},)).sample(level=1, count=5, seed=3)[-1].prompt)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, text=True, capture_output=True, timeout=100)
    assert done.stdout.strip() == trainer().sample(level=1, count=5, seed=3)[-1].prompt, done.stderr


def test_another_right_answer_is_right_where_the_task_says_so() -> None:
    """Of countdown, any expression that makes the number is an answer; the task needs its own entry to tell."""
    countdown = trainer("countdown", {"min_numbers": 3, "max_numbers": 3})
    problem = countdown.sample(level=1, count=1, seed=1)[0]
    other = f"({problem.answer})"
    assert countdown.judge(problem, other)
    assert not countdown.judge(problem, f"{problem.answer} + 1")
    # Sabotage: without its ticket only the golden answer is known to be right.
    bare = replace(problem, ticket="")
    assert countdown.judge(bare, f" {bare.answer}\n")
    assert not countdown.judge(bare, other)


def test_an_answer_that_the_task_cannot_read_is_wrong() -> None:
    factors = trainer("prime_factorization")
    problem = factors.sample(level=1, count=1, seed=1)[0]
    assert factors.judge_all([problem, problem], [problem.answer, "many × few"]) == [True, False]


def test_half_right_is_wrong() -> None:
    """The task gives a part of the score to an answer that holds the right one somewhere."""
    problem = trainer("caesar_cipher").sample(level=1, count=1, seed=1)[0]
    assert trainer("caesar_cipher").judge_all([problem] * 2, [problem.answer, f"{problem.answer} or so"]) == [
        True,
        False,
    ]


def test_a_score_that_is_not_whole_is_what_makes_it_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: with any score taken for right, half right is right."""
    monkeypatch.setattr(gym, "RIGHT", 0.1)
    problem = trainer("caesar_cipher").sample(level=1, count=1, seed=1)[0]
    assert trainer("caesar_cipher").judge(problem, f"{problem.answer} or so")


def test_a_level_of_too_few_problems_is_refused() -> None:
    few = trainer("chain_sum", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1})
    with pytest.raises(
        TrainerUnavailable, match=r"skill sums \(reasoning-gym:chain_sum\): the problems of level 1 repeat"
    ):
        few.sample(level=1, count=3000, seed=1)


def test_without_the_bar_it_gives_every_problem_that_it_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sabotage: 200 sums of two digits there are, and without the bar they are looked for however long it takes."""
    monkeypatch.setattr(checks, "FEWEST_DISTINCT", 0.0)
    few = trainer("chain_sum", {"min_terms": 2, "max_terms": 2, "min_digits": 1, "max_digits": 1})
    assert len(few.sample(level=1, count=200, seed=1)) == 200


def test_a_task_without_answers_is_refused() -> None:
    with pytest.raises(TrainerUnavailable, match="a problem of level 1 has answer of type NoneType"):
        trainer("propositional_logic").sample(level=1, count=5, seed=1)


def test_a_task_that_takes_nonsense_for_an_answer_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TrainerUnavailable, match="the task calls nonsense a right answer; choose another task"):
        trainer("game_of_life_halting").sample(level=1, count=5, seed=1)
    # Sabotage: without the proof it passes.
    monkeypatch.setattr(GymTrainer, "_prove", lambda self, level: None)
    assert len(trainer("game_of_life_halting").sample(level=1, count=5, seed=1)) == 5


@pytest.mark.parametrize(
    ("task", "level", "sentence"),
    [
        ("chain_some", {}, r"trainer: reasoning_gym has no task 'chain_some'; allowed are .*mean 'chain_sum'"),
        ("chain_sum", {"max_term": 3}, r"levels\[0\]: unknown key 'max_term'; allowed are .*mean 'max_terms'"),
        ("chain_sum", {"max_terms": "3"}, r"levels\[0\]: max_terms: Input should be a valid integer, not '3'"),
        ("chain_sum", {"max_terms": 3.5}, r"levels\[0\]: max_terms: .*, not 3.5"),
        ("chain_sum", {"max_terms": 1}, r"levels\[0\]: the task chain_sum refuses these parameters: max_terms must"),
        ("chain_sum", {"seed": 1}, r"levels\[0\]: seed: the realm sets it; take this key out"),
        ("basic_arithmetic", {"operators": ["+", 1]}, r"levels\[0\]: operators\[1\]: Input should be a valid string"),
        ("basic_arithmetic", {"format_style": "grand"}, r"levels\[0\]: format_style: Input should be 'simple'"),
    ],
)  # fmt: skip
def test_a_wrong_parameter_is_named_with_what_is_allowed(task: str, level: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadConfig, match=sentence):
        trainer(task, level)


def test_a_fault_that_only_the_task_finds_takes_the_skill_out_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = skill_files.put(tmp_path, monkeypatch, "good", trainer="reasoning-gym:chain_sum", levels=SUMS)
    path = skill_files.put(tmp_path, monkeypatch, "bad", trainer="reasoning-gym:chain_sum", levels="[{ terms: 2 }]")
    with pytest.raises(
        TrainerUnavailable, match=r"Skill 'bad' cannot be used: .*bad.yaml: levels.0.: unknown key 'terms'"
    ):
        get_trainer("bad")
    assert list_skills() == ["good"]
    (told,) = broken_skills()
    assert told.startswith(f"{path}: levels[0]: unknown key 'terms'")
    path.write_text(good.read_text(encoding="utf-8"), encoding="utf-8")
    assert get_trainer("bad").sample(level=1, count=3, seed=1)
    assert broken_skills() == ()


def test_without_the_package_one_sentence_says_how_to_install_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = "[{ operations: [NOT], width: 20 }]"
    skill_files.put(tmp_path, monkeypatch, "bin", trainer="guild.trainers.binary.BinaryAlchemist", levels=binary)
    path = skill_files.put(tmp_path, monkeypatch, "sums", trainer="reasoning-gym:chain_sum", levels=SUMS)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert list_skills() == ["bin"]
    assert broken_skills() == (
        f"{path}: trainer: reasoning-gym:chain_sum needs a package that is not installed; "
        "install it with `pip install reasoning-gym`, then restart the realm",
    )
    with pytest.raises(UnknownSkill, match="pip install reasoning-gym"):
        get_trainer("sums")


def test_listing_skills_does_not_import_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    skill_files.put(tmp_path, monkeypatch, "sums", trainer="reasoning-gym:chain_sum", levels=SUMS)
    code = (
        "import sys\nfrom pathlib import Path\nfrom guild.skills.registry import get_trainer, read_skills\n"
        "folder = Path(sys.argv[1])\nprint(read_skills(folder)[0].max_level, 'reasoning_gym' in sys.modules)\n"
        "get_trainer('sums', folder)\nprint('reasoning_gym' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=CHECKOUT, text=True, capture_output=True, timeout=100
    )
    assert done.stdout.split() == ["2", "False", "True", "False"], done.stderr


DRAWN = """
import sys
from guild.trainers.gym import GymTrainer
for task in sys.argv[1:]:
    problems = GymTrainer("far", task, ({},)).sample(level=1, count=5, seed=1)
    print(task, [(problem.prompt, problem.answer) for problem in problems])
"""


def _drawn(tasks: list[str], hash_seed: str) -> dict[str, str]:
    """What each task draws from one seed, in an interpreter of its own."""
    command = [sys.executable, "-c", DRAWN, *tasks]
    environment = os.environ | {"PYTHONHASHSEED": hash_seed}
    said = subprocess.run(command, cwd=CHECKOUT, env=environment, check=True, capture_output=True, text=True).stdout
    return {line.split(" ", 1)[0]: line for line in said.splitlines()}


def test_tasks_that_draw_otherwise_in_each_process_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And they really do, unlike one that is not refused."""
    tasks = [*sorted(gym.UNSTEADY), "chain_sum"]
    first, second = _drawn(tasks, "1"), _drawn(tasks, "2")
    assert {task for task in tasks if first[task] != second[task]} == gym.UNSTEADY
    skill_files.put(tmp_path / "skills", monkeypatch, "words", trainer="reasoning-gym:word_ladder", levels="[{}]")
    assert "gives other problems in each process for the same seed" in broken_skills()[0]
