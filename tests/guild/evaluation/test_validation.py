import json
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from arena.rows.parse import Row, read_rows
from guild.errors import DamagedSet
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.evaluation.validation import ensure_validation, held_out, is_complete, read_validation, validation_path
from guild.skills.registry import get_skill, get_trainer
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.trainers.seeds import derive
from realm.world import World
from tests.support.small_skills import validation_problems

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]


def test_it_holds_problems_of_every_level_by_level_and_is_read_like_a_quest(world: World) -> None:
    assert not is_complete(world)
    ensure_validation(world)
    assert is_complete(world)
    for level in (1, 2, 3):
        rows = [row for row in read_rows(validation_path(world, "bin", level)) if isinstance(row, Row)]
        assert Counter((row.skill, row.level) for row in rows) == {("bin", level): 32}
    assert list(world.validation.glob("*.jsonl")) == [], "what lies there is the player's"


def test_it_is_written_once_and_then_fixed(world: World) -> None:
    ensure_validation(world)
    path = validation_path(world, "bin", 2)
    first = path.read_bytes()
    path.write_bytes(first[: first.index(b"\n") + 1])
    ensure_validation(world)
    assert path.read_bytes() == first[: first.index(b"\n") + 1]
    path.unlink()
    ensure_validation(world)
    assert path.read_bytes() == first


def test_it_shares_no_problem_with_an_evaluation_set(world: World) -> None:
    bin_skill = get_skill("bin")
    validated = {problem.key for problem in validation_problems(world)}
    assert len(validated) == 96
    for level in (1, 2, 3):
        file = ensure_evaluation_set(world, bin_skill, level)
        evaluated = {problem.key for problem in read_evaluation_set(file, skill="bin", level=level)}
        assert not evaluated & validated


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_problem_of_an_evaluation_set_is_passed_over_at_every_level(world: World, level: int) -> None:
    problem = validation_problems(world)[0]
    for path in world.validation_levels.iterdir():
        path.unlink()
    # An evaluation set now asks what the validation set would have drawn first, at level 1.
    line = f'{{"prompt": "{problem.prompt}", "answer": "{problem.answer}"}}\n'
    (world.evaluation / f"bin-level-{level}.jsonl").write_text(line, encoding="utf-8")
    again = validation_problems(world)
    assert problem.prompt not in {other.prompt for other in again}
    assert len(again) == 96


def test_no_level_has_what_another_has(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Levels 2 and 3 draw first what level 1 drew, as if they shared it."""
    trainer = get_trainer("bin")
    draw = trainer.sample

    def sample(*, level: int, count: int, seed: int | None = None) -> list[Problem]:
        seed = derive("validation", "bin", 1)
        shared = [replace(problem, level=level) for problem in draw(level=1, count=40, seed=seed)]
        return (shared + draw(level=level, count=count, seed=seed))[:count]

    for level in (1, 2, 3):
        ensure_evaluation_set(world, get_skill("bin"), level)
    monkeypatch.setattr(trainer, "sample", sample)
    problems = validation_problems(world)
    assert Counter(problem.level for problem in problems) == {1: 32, 2: 32, 3: 32}
    assert len({problem.prompt for problem in problems}) == 96


def old_set(world: World) -> list[Problem]:
    """As an earlier release wrote it: problems of all levels in one file beside the player's."""
    problems = [
        problem
        for level in (1, 2, 3)
        for problem in get_trainer("bin").sample(level=level, count=4, seed=derive("old", level))
    ]
    (world.validation / "validation.jsonl").write_bytes(to_jsonl(map(to_lesson, problems)))
    return problems


def test_what_an_earlier_release_held_out_stays_held_out_and_is_no_file_of_the_players(world: World) -> None:
    problems = old_set(world)
    assert {problem.key for problem in problems} <= held_out(world)
    assert not (world.validation / "validation.jsonl").exists()
    for level in (1, 2, 3):
        found = list(read_validation(validation_path(world, "bin", level)))
        assert found[:4] == [problem for problem in problems if problem.level == level]
        assert len({problem.key for problem in found}) == 32


@pytest.mark.parametrize("rows", ["not the guild's", "in a world of today"])
def test_a_file_of_that_name_is_the_players_where_the_guild_did_not_write_it(world: World, rows: str) -> None:
    path = world.validation / "validation.jsonl"
    if rows == "not the guild's":
        path.write_text(json.dumps({"instruction": "a", "output": "b"}) + "\n")
    else:
        ensure_validation(world)
        old_set(world)
    before = path.read_bytes()
    ensure_validation(world)
    assert path.read_bytes() == before


@pytest.mark.parametrize("line", ["x", "{}", '{"messages": [], "skill": "bin", "level": 1}'])
def test_a_damaged_file_names_file_and_line(world: World, line: str) -> None:
    ensure_validation(world)
    path = validation_path(world, "bin", 1)
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DamagedSet, match=r"bin-level-1\.jsonl, line 1: not a row as the guild wrote it"):
        list(read_validation(path))


@pytest.mark.parametrize(
    "make",
    [Path.mkdir, os.mkfifo, lambda path: path.write_bytes(b"[" * 100_000), lambda path: path.write_bytes(b"\xff")],
)
def test_what_else_lies_under_that_name_is_the_players_and_stays(world: World, make: Callable[[Path], object]) -> None:
    path = world.validation / "validation.jsonl"
    make(path)
    ensure_validation(world)
    assert path.exists()
