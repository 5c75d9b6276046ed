"""Each checkpoint's answers to the held-out problems, judged once; three good ones in a row win the level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from guild.errors import GuildError
from guild.evaluation_sets import ensure_evaluation_set, read_evaluation_set
from guild.models import Evaluation
from guild.progression import current_level, has_won, move_up
from guild.skills import Skill, get_skill, get_trainer, list_skills
from realm.world import World

SPARE_TOKENS = 16
"""Room for what a hero writes around an answer, such as an empty `<think>` block."""


@dataclass(frozen=True, kw_only=True)
class EvaluationFile:
    skill: str
    level: int
    path: Path
    """JSONL, one `{"prompt": …, "answer": …}` a line."""
    max_new_tokens: int
    """Enough for the longest right answer, whatever the tokenizer."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    correct: int
    total: int
    accuracy: float
    level_up: bool
    """Whether this very call moved the hero up."""
    new_level: int
    """The level the hero works on now."""


def evaluation_files(world: World, hero: str) -> tuple[EvaluationFile, ...]:
    """What the hero's next checkpoint is asked: the current level of each skill."""
    return tuple(_evaluation_file(world, hero, skill) for skill in list_skills())


def _evaluation_file(world: World, hero: str, skill: Skill) -> EvaluationFile:
    level = current_level(hero=hero, skill=skill)
    path = ensure_evaluation_set(world, skill, level)
    problems = read_evaluation_set(path, skill=skill.name, level=level)
    # No tokenizer makes more tokens of a text than the text has bytes.
    longest = max(len(problem.answer.encode()) for problem in problems)
    return EvaluationFile(skill=skill.name, level=level, path=path, max_new_tokens=longest + SPARE_TOKENS)


def judge_answers(
    *, hero: str, checkpoint: str, step: int, skill: str, level: int, answers: Sequence[str], world: World
) -> Verdict:
    """Judge, remember and, where earned, move up; runs inside the caller's transaction.

    A checkpoint that was judged before keeps its result and moves nothing. Raises GuildError if the answers are not
    one for each problem.
    """
    known = get_skill(skill)
    if not 1 <= level <= known.max_level:
        raise GuildError(f"{checkpoint}: skill {skill} has no level {level}; it has 1 to {known.max_level}")
    correct, total = _count_correct(world, known, level, answers, checkpoint)
    row, is_new = Evaluation.objects.get_or_create(
        hero=hero,
        checkpoint=checkpoint,
        skill=skill,
        level=level,
        defaults={"step": step, "correct": correct, "total": total, "evaluated_at": timezone.now()},
    )
    level_up = is_new and _move_up_if_won(hero, known, level)
    return Verdict(
        correct=row.correct,
        total=row.total,
        accuracy=row.accuracy,
        level_up=level_up,
        new_level=current_level(hero=hero, skill=known),
    )


def _count_correct(world: World, skill: Skill, level: int, answers: Sequence[str], checkpoint: str) -> tuple[int, int]:
    file = ensure_evaluation_set(world, skill, level)
    problems = read_evaluation_set(file, skill=skill.name, level=level)
    if len(answers) != len(problems):
        raise GuildError(
            f"{checkpoint}: {len(answers)} answers for the {len(problems)} problems of {file.name}; nothing was judged"
        )
    trainer = get_trainer(skill.name)
    return sum(trainer.judge(*pair) for pair in zip(problems, answers, strict=True)), len(problems)


def _move_up_if_won(hero: str, skill: Skill, level: int) -> bool:
    if level != current_level(hero=hero, skill=skill) or level == skill.max_level:
        return False
    if not has_won(hero=hero, skill=skill, level=level):
        return False
    move_up(hero=hero, skill=skill, level=level + 1)
    return True
