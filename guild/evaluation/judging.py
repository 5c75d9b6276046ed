"""Each checkpoint's answers to the held-out problems, judged once; three good ones in a row win the level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.utils import timezone

from guild.errors import GuildError
from guild.evaluation.progression import (
    LOST_ACCURACY,
    Standing,
    accuracies_of,
    current_level,
    move_up,
    standing,
    won_level,
)
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set
from guild.models import Evaluation, EvaluationTask
from guild.skills.registry import Skill, get_skill, get_trainer
from realm.checkpoints.branches import FIRST
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class Judged:
    """One set's answers of one checkpoint, counted and not yet remembered."""

    hero: str
    checkpoint: str
    step: int
    skill: str
    level: int
    correct: int
    total: int
    branch: str = FIRST
    """On which the checkpoint lies."""
    answered_by: str = "trainer"
    seconds: float | None = None
    evaluated_at: datetime | None = None
    """None: now."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    correct: int
    total: int
    accuracy: float
    level_up: bool
    """Whether this very call moved the hero up."""
    new_level: int
    """The level the hero works on now."""
    lost: bool = False
    """Whether this very call showed that the level, won before, is lost."""
    regained: bool = False
    held_accuracy: float | None = None
    """Of a lost level: what its last evaluation showed that was not under LOST_ACCURACY."""
    evaluation_id: int | None = None
    """Of the row that this very call wrote; None if the checkpoint was judged before."""


def judge_answers(
    *,
    hero: str,
    checkpoint: str,
    step: int,
    skill: str,
    level: int,
    answers: Sequence[str],
    world: World,
    branch: str = FIRST,
    seconds: float | None = None,
) -> Verdict:
    """Judge, remember and, where earned, move up; runs inside the caller's transaction.

    A checkpoint that was judged before keeps its result and moves nothing. Raises GuildError if the answers are not
    one for each problem.
    """
    correct, total = count_correct(world, checkpoint=checkpoint, skill=skill, level=level, answers=answers)
    return remember(
        Judged(
            hero=hero,
            checkpoint=checkpoint,
            step=step,
            skill=skill,
            level=level,
            correct=correct,
            total=total,
            branch=branch,
            seconds=seconds,
        )
    )


def count_correct(world: World, *, checkpoint: str, skill: str, level: int, answers: Sequence[str]) -> tuple[int, int]:
    """Right ones and all; asks the skill's trainer, so outside any transaction where that is a remote one.

    Raises GuildError if the answers are not one for each problem, and errors.TrainerUnavailable.
    """
    known = get_skill(skill)
    if not 1 <= level <= known.max_level:
        raise GuildError(f"{checkpoint}: skill {skill} has no level {level}; it has 1 to {known.max_level}")
    file = ensure_evaluation_set(world, known, level)
    problems = read_evaluation_set(file, skill=skill, level=level)
    if len(answers) != len(problems):
        raise GuildError(
            f"{checkpoint}: {len(answers)} answers for the {len(problems)} problems of {file.name}; nothing was judged"
        )
    return sum(get_trainer(skill).judge_all(problems, answers)), len(problems)


def remember(judged: Judged) -> Verdict:
    """Write the evaluation and what follows from it; runs inside the caller's transaction.

    Of two that say something of the same checkpoint and level the first one counts. Raises errors.UnknownSkill.
    """
    skill = get_skill(judged.skill)
    place = {"hero": judged.hero, "branch": judged.branch}
    before = standing(accuracies_of(**place, skill=judged.skill, level=judged.level))
    earlier = current_level(**place, skill=skill)
    row, is_new = Evaluation.objects.get_or_create(
        hero=judged.hero,
        checkpoint=judged.checkpoint,
        skill=judged.skill,
        level=judged.level,
        defaults={
            "step": judged.step,
            "correct": judged.correct,
            "total": judged.total,
            "branch": judged.branch,
            "evaluated_at": judged.evaluated_at or timezone.now(),
            "answered_by": judged.answered_by,
            "seconds": judged.seconds,
        },
    )
    EvaluationTask.objects.filter(
        hero=judged.hero, checkpoint=judged.checkpoint, skill=judged.skill, level=judged.level
    ).update(state=EvaluationTask.State.DONE, reason="", updated_at=timezone.now())
    accuracies = accuracies_of(**place, skill=judged.skill, level=judged.level)
    after = standing(accuracies)
    lost = (before, after) == (Standing.MASTERED, Standing.LOST)
    return Verdict(
        correct=row.correct,
        total=row.total,
        accuracy=row.accuracy,
        level_up=is_new and _move_up_if_won(judged.hero, skill, judged.branch, start=earlier),
        new_level=current_level(**place, skill=skill),
        lost=lost,
        held_accuracy=next((each for each in reversed(accuracies) if each >= LOST_ACCURACY), None) if lost else None,
        regained=(before, after) == (Standing.LOST, Standing.MASTERED),
        evaluation_id=row.pk if is_new else None,
    )


def _move_up_if_won(hero: str, skill: Skill, branch: str, *, start: int) -> bool:
    """More than one level where evaluations of the next one came first, as they do after a database was lost."""
    level = won_level(hero=hero, skill=skill, branch=branch, start=start)
    if level == start:
        return False
    move_up(hero=hero, skill=skill, level=level, branch=branch)
    return True
