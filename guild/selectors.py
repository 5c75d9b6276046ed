"""What the guild knows about a hero."""

from __future__ import annotations

from dataclasses import dataclass

from guild.models import Evaluation
from guild.progression import current_level
from guild.skills import Skill, list_skills


@dataclass(frozen=True, kw_only=True)
class SkillLevel:
    skill: Skill
    level: int
    accuracy: float | None
    """Of the newest evaluation at this level; None if there was none yet."""


def skill_levels(hero: str) -> tuple[SkillLevel, ...]:
    return tuple(_skill_level(hero, skill) for skill in list_skills())


def _skill_level(hero: str, skill: Skill) -> SkillLevel:
    level = current_level(hero=hero, skill=skill)
    newest = Evaluation.objects.filter(hero=hero, skill=skill.name, level=level).order_by("id").last()
    return SkillLevel(skill=skill, level=level, accuracy=newest.accuracy if newest else None)


def curriculum_accuracy(hero: str) -> tuple[float, str] | None:
    """The hero's ACC, 0 to 1, and of what it is ("bin level 1").

    The newest evaluation at a level that the hero works on now; before the first one there, the newest of all.
    """
    mine = Evaluation.objects.filter(hero=hero).order_by("id")
    at_work = [mine.filter(skill=entry.skill.name, level=entry.level).last() for entry in skill_levels(hero)]
    newest = max((row for row in at_work if row), key=lambda row: row.id, default=None) or mine.last()
    return (newest.accuracy, f"{newest.skill} level {newest.level}") if newest else None


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One evaluation: what share of a level's problems the hero answered right at `step`."""

    step: int
    accuracy: float
    skill: str
    level: int


def accuracy_history(hero: str, *, limit: int = 2000) -> list[Trial]:
    """The newest `limit` evaluations, whatever their level, the oldest first."""
    newest = Evaluation.objects.filter(hero=hero).order_by("-step", "-id")[:limit]
    return [Trial(step=row.step, accuracy=row.accuracy, skill=row.skill, level=row.level) for row in reversed(newest)]
