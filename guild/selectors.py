"""What the guild knows about a hero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Count, Exists, OuterRef, QuerySet

from guild.evaluation import progression
from guild.evaluation.progression import (
    EVALUATIONS_IN_A_ROW,
    Standing,
    accuracies_by_level,
    current_level,
    good_in_a_row,
)
from guild.models import Evaluation, EvaluationTask
from guild.skills.registry import Skill, get_skill, read_skills
from realm.branch_rows import on_line


@dataclass(frozen=True, kw_only=True)
class SkillLevel:
    skill: Skill
    level: int
    """The one that the hero works on; all below it were won."""
    accuracy: float | None
    """Of the newest evaluation at this level; None if there was none yet."""
    in_a_row: int = 0
    """Good evaluations in a row at this level so far; at `needed` it is won."""
    needed: int = EVALUATIONS_IN_A_ROW
    lost: tuple[int, ...] = ()
    """Levels won before that the hero no longer masters, the lowest first."""
    finished: bool = False
    """Whether the skill's last level is won."""


def skill_levels(hero: str) -> tuple[SkillLevel, ...]:
    return tuple(_skill_level(hero, skill) for skill in read_skills())


def skill_level(hero: str, skill: str) -> SkillLevel:
    """Raises UnknownSkill."""
    return _skill_level(hero, get_skill(skill))


def _skill_level(hero: str, skill: Skill) -> SkillLevel:
    level = current_level(hero=hero, skill=skill)
    found = accuracies_by_level(hero=hero, skill=skill.name)
    here = found.get(level, [])
    return SkillLevel(
        skill=skill,
        level=level,
        accuracy=here[-1] if here else None,
        in_a_row=good_in_a_row(here),
        lost=tuple(low for low in sorted(found) if low < level and progression.standing(found[low]) is Standing.LOST),
        finished=level == skill.max_level and progression.standing(here) is not Standing.OPEN,
    )


def lost_levels(hero: str, skill: str) -> tuple[int, ...]:
    """Levels won before that the hero no longer masters, the lowest first. Raises UnknownSkill."""
    return progression.lost_levels(hero=hero, skill=get_skill(skill))


def all_lost_levels(hero: str) -> list[str]:
    """Levels of every skill won before that the hero no longer masters, as `bin/3`; one query."""
    last = {skill.name: skill.max_level for skill in read_skills()}
    found = progression.accuracies_by_skill(hero=hero)
    below = {place: past for place, past in found.items() if place[1] < last.get(place[0], 0)}
    return [f"{skill}/{level}" for (skill, level), past in below.items() if progression.standing(past) is Standing.LOST]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one checkpoint made of one level's problems."""

    correct: int
    total: int
    answered_by: str
    """A host, or `trainer`."""

    @property
    def accuracy(self) -> float:
        return self.correct / self.total


@dataclass(frozen=True, kw_only=True)
class GridRow:
    checkpoint: str
    step: int
    cells: tuple[Cell | None, ...]
    """One for each column of the grid; None where the checkpoint was not asked."""


@dataclass(frozen=True, kw_only=True)
class GridColumn:
    level: int
    standing: Standing
    """By all evaluations of the level, also those older than the grid's rows."""
    best: float
    """Accuracy, 0 to 1."""
    newest: float


@dataclass(frozen=True, kw_only=True)
class Grid:
    """Checkpoints × levels of one skill; levels that were never asked have no column."""

    hero: str
    skill: str
    columns: tuple[GridColumn, ...]
    """The lowest level first."""
    rows: tuple[GridRow, ...]
    """The newest checkpoint first."""


def grid(hero: str, skill: str, *, checkpoints: int = 50) -> Grid:
    """The newest `checkpoints` that were evaluated, those that were deleted since included; three queries."""
    found = accuracies_by_level(hero=hero, skill=skill)
    columns = tuple(
        GridColumn(
            level=level, standing=progression.standing(found[level]), best=max(found[level]), newest=found[level][-1]
        )
        for level in sorted(found)
    )
    return Grid(hero=hero, skill=skill, columns=columns, rows=_grid_rows(hero, skill, sorted(found), checkpoints))


def _grid_rows(hero: str, skill: str, levels: Sequence[int], checkpoints: int) -> tuple[GridRow, ...]:
    mine = Evaluation.objects.filter(on_line(hero), hero=hero, skill=skill)
    newest = mine.order_by("-step", "-checkpoint").values_list("step", "checkpoint").distinct()[:checkpoints]
    cells: dict[tuple[int, str], dict[int, Cell]] = {place: {} for place in newest}
    least = min((step for step, _ in cells), default=0)
    for row in mine.filter(step__gte=least):
        if (row.step, row.checkpoint) in cells:
            cell = Cell(correct=row.correct, total=row.total, answered_by=row.answered_by)
            cells[row.step, row.checkpoint][row.level] = cell
    return tuple(
        GridRow(checkpoint=checkpoint, step=step, cells=tuple(found.get(level) for level in levels))
        for (step, checkpoint), found in cells.items()
    )


@dataclass(frozen=True, kw_only=True)
class QueueState:
    """The evaluation queue, of all heroes."""

    waiting: int
    answering: int
    done: int
    failed: int


def evaluation_queue_state() -> QueueState:
    rows = EvaluationTask.objects.order_by().values_list("state").annotate(count=Count("id"))
    counts = {str(state): count for state, count in rows}
    return QueueState(**{state: counts.get(state, 0) for state in EvaluationTask.State.values})


def curriculum_accuracy(hero: str) -> tuple[float, str] | None:
    """The hero's ACC, 0 to 1, and of what it is ("bin level 1").

    The newest evaluation at a level that the hero works on now; before the first one there, the newest of all.
    """
    newest = newest_at_work(hero)
    return (newest.accuracy, f"{newest.skill} level {newest.level}") if newest else None


def evaluation_before(newest: Evaluation) -> Evaluation | None:
    """On the same problems, one evaluation earlier; None before the second."""
    same = _evaluations(newest.hero).filter(skill=newest.skill, level=newest.level, total=newest.total)
    return same.filter(step__lt=newest.step).last()


def newest_at_work(hero: str) -> Evaluation | None:
    """The evaluation that is the hero's ACC; see curriculum_accuracy. Two questions to the database a skill."""
    mine = _evaluations(hero)
    levels = ((skill.name, current_level(hero=hero, skill=skill)) for skill in read_skills())
    at_work = [mine.filter(skill=name, level=level).last() for name, level in levels]
    return max((row for row in at_work if row), key=lambda row: (row.step, row.id), default=None) or mine.last()


def _evaluations(hero: str) -> QuerySet[Evaluation]:
    """Of what the hero has come from, the oldest first."""
    return Evaluation.objects.filter(on_line(hero), hero=hero).order_by("step", "id")


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One evaluation: what share of a level's problems the hero answered right at `step`."""

    step: int
    accuracy: float
    skill: str
    level: int


def accuracy_history(hero: str, *, limit: int = 2000) -> list[Trial]:
    """The newest `limit` evaluations, the oldest first: of each checkpoint and skill that of the highest level.

    The levels below are asked to see what is still known; a line through them all would jump up and down.
    """
    same = Evaluation.objects.filter(hero=hero, checkpoint=OuterRef("checkpoint"), skill=OuterRef("skill"))
    mine = Evaluation.objects.filter(~Exists(same.filter(level__gt=OuterRef("level"))), on_line(hero), hero=hero)
    newest = mine.order_by("-step", "-id")[:limit]
    return [Trial(step=row.step, accuracy=row.accuracy, skill=row.skill, level=row.level) for row in reversed(newest)]
