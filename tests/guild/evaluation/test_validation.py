from collections import Counter
from dataclasses import replace

import pytest

from arena.rows.parse import Row, read_rows
from guild.errors import DamagedSet
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.evaluation.validation import ensure_validation, read_validation
from guild.skills.registry import get_skill, get_trainer
from guild.trainers.problems import Problem
from guild.trainers.seeds import derive
from realm.world import World

pytestmark = pytest.mark.usefixtures("skills_folder")


def test_it_holds_problems_of_every_level_and_is_read_like_a_quest(world: World) -> None:
    path = ensure_validation(world)
    assert path == world.validation / "validation.jsonl"
    rows = [row for row in read_rows(path) if isinstance(row, Row)]
    assert Counter((row.skill, row.level) for row in rows) == {("bin", level): 32 for level in (1, 2, 3)}


def test_it_is_written_once_and_then_fixed(world: World) -> None:
    path = ensure_validation(world)
    first = path.read_bytes()
    path.write_bytes(first[: first.index(b"\n") + 1])
    assert ensure_validation(world).read_bytes() == first[: first.index(b"\n") + 1]
    path.unlink()
    assert ensure_validation(world).read_bytes() == first


def test_it_shares_no_problem_with_an_evaluation_set(world: World) -> None:
    bin_skill = get_skill("bin")
    validated = {problem.key for problem in read_validation(ensure_validation(world))}
    assert len(validated) == 96
    for level in (1, 2, 3):
        file = ensure_evaluation_set(world, bin_skill, level)
        evaluated = {problem.key for problem in read_evaluation_set(file, skill="bin", level=level)}
        assert not evaluated & validated


@pytest.mark.parametrize("level", [1, 2, 3])
def test_a_problem_of_an_evaluation_set_is_passed_over_at_every_level(world: World, level: int) -> None:
    path = ensure_validation(world)
    problem = next(read_validation(path))
    path.unlink()
    # An evaluation set now asks what the validation set would have drawn first, at level 1.
    line = f'{{"prompt": "{problem.prompt}", "answer": "{problem.answer}"}}\n'
    (world.evaluation / f"bin-level-{level}.jsonl").write_text(line, encoding="utf-8")
    again = list(read_validation(ensure_validation(world)))
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
    problems = list(read_validation(ensure_validation(world)))
    assert Counter(problem.level for problem in problems) == {1: 32, 2: 32, 3: 32}
    assert len({problem.prompt for problem in problems}) == 96


@pytest.mark.parametrize("line", ["x", "{}", '{"messages": [], "skill": "bin", "level": 1}'])
def test_a_damaged_file_names_file_and_line(world: World, line: str) -> None:
    path = ensure_validation(world)
    path.write_text(line + "\n", encoding="utf-8")
    with pytest.raises(DamagedSet, match=r"validation\.jsonl, line 1: not a row as the guild wrote it"):
        list(read_validation(path))
