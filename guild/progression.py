"""The level a hero works on in each skill, and when it moves up."""

from __future__ import annotations

from guild.models import Evaluation, SkillProgress
from guild.skills import Skill

ENOUGH_ACCURACY = 0.8
EVALUATIONS_IN_A_ROW = 3


def current_level(*, hero: str, skill: Skill) -> int:
    progress = SkillProgress.objects.filter(hero=hero, skill=skill.name).first()
    return min(progress.level, skill.max_level) if progress else 1


def has_won(*, hero: str, skill: Skill, level: int) -> bool:
    """Whether the newest evaluations of the level were all good enough."""
    newest = Evaluation.objects.filter(hero=hero, skill=skill.name, level=level).order_by("-id")
    last = list(newest[:EVALUATIONS_IN_A_ROW])
    return len(last) == EVALUATIONS_IN_A_ROW and all(row.accuracy >= ENOUGH_ACCURACY for row in last)


def move_up(*, hero: str, skill: Skill, level: int) -> None:
    SkillProgress.objects.update_or_create(hero=hero, skill=skill.name, defaults={"level": level})
