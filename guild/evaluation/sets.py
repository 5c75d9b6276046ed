"""The fixed problems of each skill level that the hero is asked, kept out of all training data."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from guild.errors import DamagedSet
from guild.skills.registry import Skill, get_trainer
from guild.trainers.problems import Problem, to_jsonl, to_question
from guild.trainers.seeds import derive
from realm.disk import durable
from realm.world import World


def set_name(skill: str, level: int) -> str:
    return f"{skill}-level-{level}.jsonl"


def set_path(world: World, skill: str, level: int) -> Path:
    """Where the set lies, or will."""
    return world.evaluation / set_name(skill, level)


def ensure_evaluation_set(world: World, skill: Skill, level: int) -> Path:
    """The set's file, written if it is absent; from then on it stays as it is.

    Raises errors.TrainerUnavailable if it is absent and a remote trainer does not make it.
    """
    path = set_path(world, skill.name, level)
    if not path.exists():
        problems = get_trainer(skill.name).sample(
            level=level, count=skill.evaluation_problems, seed=derive("evaluation", skill.name, level)
        )
        durable.write_bytes(path, to_jsonl(to_question(problem) for problem in problems))
    return path


def ensure_evaluation_sets(world: World, skill: Skill) -> None:
    """Those of every level: what a later level asks is held out of the quests of an earlier one."""
    for level in range(1, skill.max_level + 1):
        ensure_evaluation_set(world, skill, level)


def evaluation_keys(world: World, skill: Skill) -> set[str]:
    """Keys of all problems that the hero is asked, at whatever level; those of sets that are there.

    Raises DamagedSet.
    """
    paths = ((level, set_path(world, skill.name, level)) for level in range(1, skill.max_level + 1))
    return {key for level, path in paths for key in _keys(path, skill.name, level)}


def _keys(path: Path, skill: str, level: int) -> frozenset[str]:
    try:
        facts = path.stat()
    except FileNotFoundError:
        return frozenset()
    return _keys_of_version(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino), skill, level)


@lru_cache(maxsize=4096)
def _keys_of_version(path: Path, stamp: tuple[int, int, int], skill: str, level: int) -> frozenset[str]:
    """Hundreds of sets are asked for at each forging, and next to never change."""
    return frozenset(problem.key for problem in read_evaluation_set(path, skill=skill, level=level))


def read_evaluation_set(path: Path, *, skill: str, level: int) -> list[Problem]:
    """Raises DamagedSet naming file and line."""
    return list(_problems(path, skill, level))


def _problems(path: Path, skill: str, level: int) -> Iterator[Problem]:
    lines = path.read_bytes().removesuffix(b"\n").split(b"\n")
    return (_problem(line, f"{path}, line {number}", skill, level) for number, line in enumerate(lines, 1))


def _problem(line: bytes, where: str, skill: str, level: int) -> Problem:
    try:
        row = json.loads(line)
        prompt, answer, ticket = row["prompt"], row["answer"], row.get("ticket", "")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise _damaged(where) from error
    if not all(isinstance(text, str) for text in (prompt, answer, ticket)):
        raise _damaged(where)
    return Problem(prompt, answer, skill, level, ticket)


def _damaged(where: str) -> DamagedSet:
    return DamagedSet(f"{where}: not a problem as the guild wrote it; delete the file and it is made anew")
