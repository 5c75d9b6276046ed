"""The fixed problems of each skill level that the hero is asked, kept out of all training data."""

from __future__ import annotations

import json
from pathlib import Path

from guild.errors import DamagedSet
from guild.problems import Problem, to_jsonl, to_question
from guild.seeds import derive
from guild.skills import Skill, get_trainer
from realm import durable
from realm.world import World


def ensure_evaluation_set(world: World, skill: Skill, level: int) -> Path:
    """The set's file, written if it is absent; from then on it stays as it is."""
    path = world.evaluation / f"{skill.name}-level-{level}.jsonl"
    if not path.exists():
        problems = get_trainer(skill.name).sample(
            level=level, count=skill.evaluation_problems, seed=derive("evaluation", skill.name, level)
        )
        durable.write_bytes(path, to_jsonl(to_question(problem) for problem in problems))
    return path


def read_evaluation_set(path: Path, *, skill: str, level: int) -> list[Problem]:
    """Raises DamagedSet naming file and line."""
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    return [_problem(line, f"{path}, line {number}", skill, level) for number, line in enumerate(lines, 1)]


def _problem(line: bytes, where: str, skill: str, level: int) -> Problem:
    try:
        row = json.loads(line)
        prompt, answer = row["prompt"], row["answer"]
    except (ValueError, TypeError, KeyError) as error:
        raise _damaged(where) from error
    if not isinstance(prompt, str) or not isinstance(answer, str):
        raise _damaged(where)
    return Problem(prompt, answer, skill, level)


def _damaged(where: str) -> DamagedSet:
    return DamagedSet(f"{where}: not a problem as the guild wrote it; delete the file and it is made anew")
