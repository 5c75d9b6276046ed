"""What a checkpoint is asked: held-out problems of the hero's levels, within what training may stand still for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db.models import Max

from guild.curriculum.plan import AS_SHIPPED, Curriculum, Turn, turns
from guild.evaluation.progression import lost_levels
from guild.evaluation.sets import ensure_evaluation_set, read_evaluation_set, set_path
from guild.models import Evaluation
from guild.skills.registry import Skill, get_trainer
from guild.trainers.problems import Problem
from realm.branch_rows import on_line
from realm.world import World

SPARE_TOKENS = 16
"""Room for what a hero writes around an answer, such as an empty `<think>` block."""
MOST_PROBLEMS, MOST_CHARACTERS = 100, 1600
"""Asked of one checkpoint: about what a hero answers within the second that training may stand still for it (PERF
P9: 100 problems of 16 tokens). Characters of the longest answer of each set, times its problems."""
MOST_REVIEWED = 3
"""Levels below the current one that a checkpoint is asked, of all skills together."""


@dataclass(frozen=True, kw_only=True)
class EvaluationFile:
    skill: str
    level: int
    path: Path
    """JSONL, one `{"prompt": …, "answer": …}` a line."""
    max_new_tokens: int
    """Enough for the longest right answer, whatever the tokenizer."""


def evaluation_files(
    world: World,
    hero: str,
    curriculum: Curriculum = AS_SHIPPED,
    *,
    fought: str | None = None,
    sparred: int | None = None,
) -> tuple[EvaluationFile, ...]:
    """What the hero's next checkpoint is asked.

    The current level of the skill that is fought for; then those of the other skills in play; then up to MOST_REVIEWED
    levels won before, lost ones first; among equals what was not asked for longest. The first is asked whatever it
    costs, the others while MOST_PROBLEMS and MOST_CHARACTERS allow. A set that a remote trainer has yet to make is
    passed over. Where a sparring is fought, `sparred` is the level of its mistakes: it and the one below, which may
    have paid for it, come second, and of what was won before that skill's levels come first. Raises DamagedSet.
    """
    return tuple(_affordable(_asked(world, hero, curriculum, fought, sparred)))


def _asked(
    world: World, hero: str, curriculum: Curriculum, fought: str | None, sparred: int | None
) -> Iterator[tuple[EvaluationFile, list[Problem]]]:
    in_play = [turn for turn in turns(world, hero, curriculum) if not turn.waits or turn.skill.name == fought]
    seen: dict[tuple[str, int], int] = {
        (row["skill"], row["level"]): row["last"]
        for row in Evaluation.objects.filter(on_line(hero), hero=hero).values("skill", "level").annotate(last=Max("id"))
    }

    def age(skill: str, level: int) -> int:
        return seen.get((skill, level), -1)

    current = sorted(in_play, key=lambda turn: (turn.skill.name != fought, age(turn.skill.name, turn.level)))
    near = _near(current, fought, sparred)
    wanted = [(turn.skill, turn.level) for turn in current]
    wanted[1:1] = near
    yield from _files(world, wanted)
    reviewed = _reviewed(hero, in_play, age, first=fought if sparred else None)
    yield from _files(world, [one for one in reviewed if one not in near][: MOST_REVIEWED - len(near)])


def _near(current: Sequence[Turn], fought: str | None, sparred: int | None) -> list[tuple[Skill, int]]:
    """The sparred level and the one below it; the skill's current one is asked anyhow."""
    if sparred is None or not current or current[0].skill.name != fought:
        return []
    skill, level = current[0].skill, current[0].level
    return [(skill, one) for one in (sparred, sparred - 1) if 1 <= one <= skill.max_level and one != level]


def _reviewed(
    hero: str, in_play: Sequence[Turn], age: Callable[[str, int], int], *, first: str | None
) -> list[tuple[Skill, int]]:
    """One place is kept for levels still mastered: else one that stays lost would hide that others get lost too."""
    lost: list[tuple[Skill, int]] = []
    mastered: list[tuple[Skill, int]] = []
    for turn in in_play:
        gone = lost_levels(hero=hero, skill=turn.skill)
        for level in range(1, turn.level):
            (lost if level in gone else mastered).append((turn.skill, level))
    for levels in (lost, mastered):
        levels.sort(key=lambda one: (one[0].name != first, age(one[0].name, one[1]), one[0].name, one[1]))
    return [*lost[: MOST_REVIEWED - bool(mastered)], *mastered][:MOST_REVIEWED]


def evaluation_file(world: World, skill: Skill, level: int) -> EvaluationFile | None:
    """The set of one level, made if it is absent; None where a remote trainer has yet to make it. Raises DamagedSet."""
    return next((file for file, _ in _files(world, [(skill, level)])), None)


def _files(world: World, wanted: Iterable[tuple[Skill, int]]) -> Iterator[tuple[EvaluationFile, list[Problem]]]:
    for skill, level in wanted:
        path = set_path(world, skill.name, level)
        if get_trainer(skill.name).is_remote and not path.exists():
            continue
        path = ensure_evaluation_set(world, skill, level)
        problems = read_evaluation_set(path, skill=skill.name, level=level)
        # No tokenizer makes more tokens of a text than the text has bytes.
        longest = max(len(problem.answer.encode()) for problem in problems)
        file = EvaluationFile(skill=skill.name, level=level, path=path, max_new_tokens=longest + SPARE_TOKENS)
        yield file, problems


def _affordable(asked: Iterator[tuple[EvaluationFile, list[Problem]]]) -> Iterator[EvaluationFile]:
    problems_left, characters_left = MOST_PROBLEMS, MOST_CHARACTERS
    for number, (file, problems) in enumerate(asked):
        cost = len(problems) * max(len(problem.answer) for problem in problems)
        if number and (len(problems) > problems_left or cost > characters_left):
            continue
        problems_left -= len(problems)
        characters_left -= cost
        yield file
