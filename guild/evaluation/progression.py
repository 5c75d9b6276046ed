"""The level a hero works on in each skill; which levels below it are mastered, and which were lost again.

All of it follows from the evaluations of a level in the order of the hero's steps, whenever they were judged:

- three in a row at 80% or more win the level; the hero moves up from the level it works on, and never down;
- a won level is lost when two in a row then fall below 60%, and regained by two in a row at 80% or more.

Only evaluations of what the hero's branch has come from count, so that going back to a checkpoint goes back here, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

from django.db.models import QuerySet

from guild.models import Evaluation, SkillProgress
from guild.skills.registry import Skill
from realm.branch_rows import branches_of, on_line
from realm.checkpoints.branches import FIRST

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


def accuracies_by_level(*, hero: str, skill: str, branch: str | None = None) -> dict[int, list[float]]:
    """Of every level that was evaluated, the oldest step first; what `branch`, or the active one, has come from."""
    found: dict[int, list[float]] = {}
    rows = _evaluations(hero, branch).filter(skill=skill)
    for level, correct, total in rows.values_list("level", "correct", "total"):
        found.setdefault(level, []).append(correct / total)
    return found


def accuracies_by_skill(*, hero: str) -> dict[tuple[str, int], list[float]]:
    """By skill and level; else as `accuracies_by_level` of the active branch."""
    found: dict[tuple[str, int], list[float]] = {}
    for skill, level, correct, total in _evaluations(hero, None).values_list("skill", "level", "correct", "total"):
        found.setdefault((skill, level), []).append(correct / total)
    return found


def accuracies_of(*, hero: str, skill: str, level: int, branch: str | None = None) -> list[float]:
    rows = _evaluations(hero, branch).filter(skill=skill, level=level)
    return [correct / total for correct, total in rows.values_list("correct", "total")]


def _evaluations(hero: str, branch: str | None) -> QuerySet[Evaluation]:
    return Evaluation.objects.filter(on_line(hero, branch), hero=hero).order_by("step", "id")


def current_level(*, hero: str, skill: Skill, branch: str | None = None) -> int:
    """On `branch`, or the active one; one that has not moved up by itself yet has what it has come from."""
    name = branches_of(hero).active if branch is None else branch
    progress = SkillProgress.objects.filter(hero=hero, branch=name, skill=skill.name).first()
    if progress:
        return min(progress.level, skill.max_level)
    return 1 if name == FIRST else won_level(hero=hero, skill=skill, branch=name)


def won_level(*, hero: str, skill: Skill, branch: str, start: int = 1) -> int:
    """The level behind those won, from `start` on, by the evaluations alone."""
    level = start
    while level < skill.max_level and has_won(hero=hero, skill=skill, level=level, branch=branch):
        level += 1
    return level


def has_won(*, hero: str, skill: Skill, level: int, branch: str | None = None) -> bool:
    """Whether the level was ever won, be it lost again since."""
    return standing(accuracies_of(hero=hero, skill=skill.name, level=level, branch=branch)) is not Standing.OPEN


def lost_levels(*, hero: str, skill: Skill) -> tuple[int, ...]:
    """Levels below the one that the hero works on which it no longer masters, the lowest first."""
    current = current_level(hero=hero, skill=skill)
    found = accuracies_by_level(hero=hero, skill=skill.name)
    return tuple(level for level in sorted(found) if level < current and standing(found[level]) is Standing.LOST)


def move_up(*, hero: str, skill: Skill, level: int, branch: str) -> None:
    SkillProgress.objects.update_or_create(hero=hero, branch=branch, skill=skill.name, defaults={"level": level})
