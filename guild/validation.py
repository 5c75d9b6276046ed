"""The fixed validation set: some problems of every level of every skill, in the form of a quest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from guild.errors import DamagedSet
from guild.evaluation_sets import ensure_evaluation_set, read_evaluation_set
from guild.problems import Problem, to_jsonl, to_lesson
from guild.seeds import derive
from guild.skills import Skill, get_trainer, list_skills
from realm import durable
from realm.world import World


def ensure_validation(world: World) -> Path:
    """The validation set's file, written if it is absent; from then on it stays as it is.

    It shares no problem with an evaluation set.
    """
    path = world.validation / "validation.jsonl"
    if not path.exists():
        problems = [problem for skill in list_skills() for problem in _problems(world, skill)]
        durable.write_bytes(path, to_jsonl(to_lesson(problem) for problem in problems))
    return path


def read_validation(path: Path) -> Iterator[Problem]:
    """Raises DamagedSet naming file and line."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            user, assistant = row["messages"]
            yield Problem(user["content"], assistant["content"], row["skill"], row["level"])
        except (ValueError, TypeError, KeyError) as error:
            raise DamagedSet(
                f"{path}, line {number}: not a row as the guild wrote it; delete the file and it is made anew"
            ) from error


def held_out(world: World) -> frozenset[str]:
    """Keys of all problems that no quest may contain."""
    evaluated = {key for skill in list_skills() for key in _evaluated(world, skill)}
    return frozenset(evaluated | {problem.key for problem in read_validation(ensure_validation(world))})


def _evaluated(world: World, skill: Skill) -> set[str]:
    """Keys of all problems that the hero is asked, at whatever level."""
    return {
        problem.key
        for level in range(1, skill.max_level + 1)
        for problem in read_evaluation_set(ensure_evaluation_set(world, skill, level), skill=skill.name, level=level)
    }


def _problems(world: World, skill: Skill) -> Iterator[Problem]:
    """Problems of every level, none of them evaluated or chosen at another level."""
    taken = _evaluated(world, skill)
    for level in range(1, skill.max_level + 1):
        candidates = get_trainer(skill.name).sample(
            level=level,
            count=skill.validation_problems + len(taken),
            seed=derive("validation", skill.name, level),
        )
        chosen = [problem for problem in candidates if problem.key not in taken][: skill.validation_problems]
        taken |= {problem.key for problem in chosen}
        yield from chosen
