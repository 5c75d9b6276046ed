"""The level a hero works on in each skill; which levels below it are mastered, and which were lost again.

All of it follows from the evaluations of a level in the order of the hero's steps, whenever they were judged:

- three in a row at 80% or more win the level; the hero moves up from the level it works on, and never down;
- a won level is lost when two in a row then fall below 60%, and regained by two in a row at 80% or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from guild.models import Evaluation, SkillProgress
from guild.skills.registry import Skill

ENOUGH_ACCURACY = 0.8
EVALUATIONS_IN_A_ROW = 3
LOST_ACCURACY = 0.6
EVALUATIONS_TO_LOSE = 2
EVALUATIONS_TO_REGAIN = 2


class Standing(StrEnum):
    OPEN = "open"
    """Never won."""
    MASTERED = "mastered"
    LOST = "lost"


def standing(accuracies: Sequence[float]) -> Standing:
    """Of a level by all its evaluations, the oldest first."""
    state, good, bad = Standing.OPEN, 0, 0
    for accuracy in accuracies:
        good = good + 1 if accuracy >= ENOUGH_ACCURACY else 0
        bad = bad + 1 if accuracy < LOST_ACCURACY else 0
        if state is Standing.OPEN and good >= EVALUATIONS_IN_A_ROW:
            state = Standing.MASTERED
        elif state is Standing.MASTERED and bad >= EVALUATIONS_TO_LOSE:
            state = Standing.LOST
        elif state is Standing.LOST and good >= EVALUATIONS_TO_REGAIN:
            state = Standing.MASTERED
    return state


def good_in_a_row(accuracies: Sequence[float]) -> int:
    """How many of the newest evaluations were good enough: 0 to EVALUATIONS_IN_A_ROW."""
    count = 0
    for accuracy in reversed(accuracies[-EVALUATIONS_IN_A_ROW:]):
        if accuracy < ENOUGH_ACCURACY:
            break
        count += 1
    return count


def accuracies_by_level(*, hero: str, skill: str) -> dict[int, list[float]]:
    """Of every level that was evaluated, the oldest step first."""
    found: dict[int, list[float]] = {}
    rows = Evaluation.objects.filter(hero=hero, skill=skill).order_by("step", "id")
    for level, correct, total in rows.values_list("level", "correct", "total"):
        found.setdefault(level, []).append(correct / total)
    return found


def accuracies_of(*, hero: str, skill: str, level: int) -> list[float]:
    rows = Evaluation.objects.filter(hero=hero, skill=skill, level=level).order_by("step", "id")
    return [correct / total for correct, total in rows.values_list("correct", "total")]


def current_level(*, hero: str, skill: Skill) -> int:
    progress = SkillProgress.objects.filter(hero=hero, skill=skill.name).first()
    return min(progress.level, skill.max_level) if progress else 1


def has_won(*, hero: str, skill: Skill, level: int) -> bool:
    """Whether the level was ever won, be it lost again since."""
    return standing(accuracies_of(hero=hero, skill=skill.name, level=level)) is not Standing.OPEN


def lost_levels(*, hero: str, skill: Skill) -> tuple[int, ...]:
    """Levels below the one that the hero works on which it no longer masters, the lowest first."""
    current = current_level(hero=hero, skill=skill)
    found = accuracies_by_level(hero=hero, skill=skill.name)
    return tuple(level for level in sorted(found) if level < current and standing(found[level]) is Standing.LOST)


def move_up(*, hero: str, skill: Skill, level: int) -> None:
    SkillProgress.objects.update_or_create(hero=hero, skill=skill.name, defaults={"level": level})
