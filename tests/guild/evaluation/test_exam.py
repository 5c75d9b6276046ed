"""What one checkpoint is asked: bounded, and everything in its turn."""

from pathlib import Path
from typing import Any

import pytest

from guild.curriculum.plan import Curriculum, Wishes
from guild.evaluation import exam
from guild.evaluation.exam import MOST_CHARACTERS, MOST_PROBLEMS, MOST_REVIEWED, evaluation_files
from guild.evaluation.sets import read_evaluation_set
from guild.models import SkillProgress
from guild.skills.registry import get_trainer
from realm.world import World
from tests.guild.evaluation.test_progression import judged
from tests.support.small_skills import write_skill

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"
NOT = {"operations": ["NOT"], "width": 20}


def asked(world: World, **more: Any) -> list[tuple[str, int]]:
    return [(file.skill, file.level) for file in evaluation_files(world, HERO, **more)]


def reach(level: int, skill: str = "bin") -> None:
    SkillProgress.objects.update_or_create(hero=HERO, skill=skill, defaults={"level": level})


def many_levels(folder: Path, name: str = "bin", **more: Any) -> None:
    write_skill(folder, name, levels=[NOT | {"width": width} for width in range(20, 50)], **more)


def test_a_won_level_is_asked_again_in_turn(world: World, skills_folder: Path) -> None:
    many_levels(skills_folder, evaluation_problems=5)
    reach(6)
    turns = []
    for step in range(1, 5):
        levels = [level for _, level in asked(world)]
        turns.append(levels)
        for level in levels:
            judged(step, 7, level=level)
    assert turns == [[6, 1, 2, 3], [6, 4, 5, 1], [6, 2, 3, 4], [6, 5, 1, 2]]


def test_lost_levels_are_asked_first_and_hide_no_other(world: World, skills_folder: Path) -> None:
    many_levels(skills_folder, evaluation_problems=5)
    reach(8)
    for level in (2, 3, 4, 5):
        for step, right in enumerate([10, 10, 10, 0, 0], start=1):
            judged(step * level, right, level=level)
    found = asked(world)
    assert found == [("bin", 8), ("bin", 2), ("bin", 3), ("bin", 1)]


def test_of_a_sparring_the_level_below_is_asked_before_other_skills(world: World, skills_folder: Path) -> None:
    for name in ("bin", "forging", "weaving", "zeta"):
        many_levels(skills_folder, name, evaluation_problems=20)
        reach(6, name)
    assert asked(world, fought="bin", sparred=6)[:2] == [("bin", 6), ("bin", 5)]
    assert asked(world, fought="bin", sparred=3)[:3] == [("bin", 6), ("bin", 3), ("bin", 2)]
    assert asked(world, fought="bin", sparred=1)[:2] == [("bin", 6), ("bin", 1)]
    assert {level for _, level in asked(world, fought="bin")} == {6}, "the twin: else no level below is asked"


def test_of_a_sparring_its_own_skills_levels_are_asked_again_first(world: World, skills_folder: Path) -> None:
    for name in ("bin", "weaving"):
        many_levels(skills_folder, name, evaluation_problems=5)
        reach(6, name)
    found = asked(world, fought="weaving", sparred=6)
    assert found == [("weaving", 6), ("weaving", 5), ("bin", 6), ("weaving", 1), ("weaving", 2)]
    assert len(found) <= 2 + MOST_REVIEWED
    assert asked(world, fought="weaving", sparred=40)[:1] == [("weaving", 6)]


@pytest.mark.parametrize("problems", [5, 25, 60, 100, 1000])
def test_a_checkpoint_is_asked_no_more_than_it_can_answer_in_time(
    world: World, skills_folder: Path, problems: int
) -> None:
    for name in ("bin", "weaving", "forging"):
        many_levels(skills_folder, name, evaluation_problems=problems)
        reach(9, name)
    files = evaluation_files(world, HERO)
    sets = [read_evaluation_set(file.path, skill=file.skill, level=file.level) for file in files]
    assert len(files) <= 3 + MOST_REVIEWED
    if len(files) > 1:
        assert sum(map(len, sets)) <= MOST_PROBLEMS
        longest = [max(len(problem.answer) for problem in problems) for problems in sets]
        assert sum(len(one) * length for one, length in zip(sets, longest, strict=True)) <= MOST_CHARACTERS
    assert files


def test_twin_without_the_bound_it_is_asked_more(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_levels(skills_folder, evaluation_problems=60)
    reach(9)
    monkeypatch.setattr(exam, "_affordable", lambda asked: (file for file, _ in asked))
    assert len(evaluation_files(world, HERO)) * 60 > MOST_PROBLEMS


def test_the_skill_that_is_fought_for_comes_first_even_if_nobody_forges_it(world: World, skills_folder: Path) -> None:
    write_skill(skills_folder, "weaving", evaluation_problems=5)
    off = Curriculum(wishes={"weaving": Wishes(priority=0)})
    assert asked(world, curriculum=off) == [("bin", 1)]
    assert asked(world, curriculum=off, fought="weaving") == [("weaving", 1), ("bin", 1)]


def test_where_not_all_fits_skills_take_turns(world: World, skills_folder: Path) -> None:
    for name in ("bin", "weaving"):
        write_skill(skills_folder, name, evaluation_problems=60)
    assert asked(world) == [("bin", 1)]
    judged(1, 5)
    assert asked(world) == [("weaving", 1)]


def test_a_set_that_a_remote_trainer_has_yet_to_make_is_not_waited_for(
    world: World, skills_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_skill(skills_folder, "weaving", evaluation_problems=5)
    monkeypatch.setattr(get_trainer("weaving"), "is_remote", True, raising=False)

    def never(**named: Any) -> Any:
        raise AssertionError("a remote trainer was asked")

    monkeypatch.setattr(get_trainer("weaving"), "sample", never)
    assert asked(world) == [("bin", 1)]
