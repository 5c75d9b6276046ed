import pytest
from django.utils import timezone

from guild.models import Evaluation, SkillProgress
from guild.selectors import accuracy_history, curriculum_accuracy, skill_levels

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("skills_folder")]

HERO = "DIO"


def evaluated(step: int, correct: int, *, level: int = 1, hero: str = HERO) -> None:
    Evaluation.objects.create(
        hero=hero,
        checkpoint=f"checkpoint-{step}-20260101-0000",
        step=step,
        skill="bin",
        level=level,
        correct=correct,
        total=25,
        evaluated_at=timezone.now(),
    )


def test_a_new_hero_has_no_accuracy() -> None:
    evaluated(1, 25, hero="EVA")
    assert curriculum_accuracy(HERO) is None
    assert accuracy_history(HERO) == []


def test_accuracy_is_the_newest_at_the_current_level() -> None:
    evaluated(1, 25)
    evaluated(2, 5)
    assert curriculum_accuracy(HERO) == (0.2, "bin level 1")
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    evaluated(3, 10, level=2)
    evaluated(4, 25, level=1)
    assert curriculum_accuracy(HERO) == (0.4, "bin level 2")


def test_before_the_first_answer_at_a_new_level_the_last_one_stands() -> None:
    evaluated(1, 5)
    evaluated(2, 20)
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    assert curriculum_accuracy(HERO) == (0.8, "bin level 1")


def test_history_is_in_order_and_keeps_the_newest() -> None:
    for step in (30, 10, 20):
        evaluated(step, step // 10)
    history = accuracy_history(HERO)
    assert [(trial.step, trial.accuracy) for trial in history] == [(10, 0.04), (20, 0.08), (30, 0.12)]
    assert accuracy_history(HERO, limit=2) == history[1:]


def test_history_tells_of_which_level_each_accuracy_is() -> None:
    evaluated(10, 25)
    evaluated(20, 5, level=2)
    assert [(trial.skill, trial.level, trial.accuracy) for trial in accuracy_history(HERO)] == [
        ("bin", 1, 1.0),
        ("bin", 2, 0.2),
    ]


def test_history_has_no_level_that_was_only_looked_at_again() -> None:
    evaluated(10, 5, level=2)
    evaluated(10, 25)
    evaluated(10, 25, hero="EVA", level=3)
    assert [(trial.level, trial.accuracy) for trial in accuracy_history(HERO)] == [(2, 0.2)]
    assert [trial.level for trial in accuracy_history(HERO, limit=1)] == [2]


def test_skill_levels() -> None:
    (entry,) = skill_levels(HERO)
    assert (entry.skill.name, entry.level, entry.accuracy) == ("bin", 1, None)
    SkillProgress.objects.create(hero=HERO, skill="bin", level=2)
    evaluated(1, 25)
    evaluated(2, 5, level=2)
    (entry,) = skill_levels(HERO)
    assert (entry.level, entry.accuracy) == (2, 0.2)


def test_a_level_that_the_skill_no_longer_has_is_its_last() -> None:
    SkillProgress.objects.create(hero=HERO, skill="bin", level=30)
    assert skill_levels(HERO)[0].level == 3
