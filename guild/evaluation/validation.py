"""Fixed problems of each skill level whose loss is measured, stored by level, in the form of a quest.

Any two checkpoints are comparable over the levels that both were measured on: a level's problems never change.
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from guild.errors import DamagedSet, TrainerUnavailable
from guild.evaluation.sets import ensure_evaluation_sets, evaluation_keys, set_name
from guild.skills import health
from guild.skills.registry import Skill, get_trainer, read_skills
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.trainers.sampling import draw
from guild.trainers.seeds import derive
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, check_regular
from realm.world import World

_BEFORE_LEVELS = "validation.jsonl"
"""The one file of all levels that earlier releases wrote beside the player's."""
_LARGEST_BEFORE_LEVELS = 4 * 2**20


def validation_path(world: World, skill: str, level: int) -> Path:
    """Where the level's problems lie, or will."""
    return world.validation_levels / set_name(skill, level)


def ensure_validation(world: World) -> None:
    """Write the sets of levels that have none; from then on they stay as they are.

    Each has its skill's `validation_problems`, none of which is in an evaluation set or in another level's. Skills
    whose trainer is remote have none: nobody can tell when it would answer; nor has one whose class fails, which is
    marked down.
    """
    _take_over_old_set(world)
    for skill in local_skills():
        levels = _missing_levels(world, skill)
        if levels:
            try:
                _write_levels(world, skill, levels)
            except TrainerUnavailable as trouble:
                health.mark_down(world, skill.name, str(trouble))


def is_complete(world: World) -> bool:
    """Whether every level has its set that can have one now."""
    usable = {skill.name for skill in health.usable_skills(world)}
    return not any(_missing_levels(world, skill) for skill in local_skills() if skill.name in usable)


def local_skills() -> tuple[Skill, ...]:
    """Those whose trainer answers at once, because it is a class of this process."""
    return tuple(skill for skill in read_skills() if not skill.is_remote)


def read_validation(path: Path) -> Iterator[Problem]:
    """Raises DamagedSet naming file and line."""
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        try:
            row = json.loads(line)
            user, assistant = row["messages"]
            yield Problem(user["content"], assistant["content"], row["skill"], row["level"])
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise DamagedSet(
                f"{path}, line {number}: not a row as the guild wrote it; delete the file and it is made anew"
            ) from error


def held_out(world: World, skill: Skill | None = None) -> frozenset[str]:
    """Keys of all problems that no quest may contain.

    The sets of `skill`, which is to be forged, are made if they are absent, as are those of all local trainers; of
    other skills that are taught by remote ones, or that fail, those count that are there, for keys of two skills are
    never the same. Raises DamagedSet, and errors.TrainerUnavailable for a fault of `skill` alone.
    """
    ensure_validation(world)
    if skill:
        ensure_evaluation_sets(world, skill)
    for other in local_skills():
        if not skill or other.name != skill.name:
            _ensure_if_it_can(world, other)
    validated = (_keys(path) for path in sorted(world.validation_levels.glob("*.jsonl")))
    return frozenset().union(*validated, *(evaluation_keys(world, known) for known in read_skills()))


def _keys(path: Path) -> frozenset[str]:
    facts = path.stat()
    return _keys_of_version(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino))


@lru_cache(maxsize=4096)
def _keys_of_version(path: Path, stamp: tuple[int, int, int]) -> frozenset[str]:
    return frozenset(problem.key for problem in read_validation(path))


def _ensure_if_it_can(world: World, skill: Skill) -> None:
    """A skill's fault is its own, and stops nothing of another's."""
    try:
        ensure_evaluation_sets(world, skill)
    except TrainerUnavailable as trouble:
        health.mark_down(world, skill.name, str(trouble))


def _missing_levels(world: World, skill: Skill) -> list[int]:
    there = _names_in(world.validation_levels)
    return [level for level in range(1, skill.max_level + 1) if set_name(skill.name, level) not in there]


def _names_in(folder: Path) -> frozenset[str]:
    try:
        return frozenset(os.listdir(folder))
    except FileNotFoundError:
        return frozenset()


def _write_levels(world: World, skill: Skill, levels: list[int], kept: dict[int, list[Problem]] | None = None) -> None:
    """`kept`: problems by level that the sets have to hold. Raises errors.TrainerUnavailable."""
    ensure_evaluation_sets(world, skill)
    there = [
        validation_path(world, skill.name, level) for level in range(1, skill.max_level + 1) if level not in levels
    ]
    taken = evaluation_keys(world, skill).union(*map(_keys, there))
    taken |= {problem.key for problems in (kept or {}).values() for problem in problems}
    for level in levels:
        old = (kept or {}).get(level, [])
        count = max(skill.validation_problems - len(old), 0)
        seed = derive("validation", skill.name, level)
        fresh = draw(get_trainer(skill.name), level=level, count=count, seed=seed, forbidden=taken) if count else []
        taken |= {problem.key for problem in fresh}
        path = validation_path(world, skill.name, level)
        durable.write_bytes(path, to_jsonl(to_lesson(problem) for problem in [*old, *fresh]))


def _take_over_old_set(world: World) -> None:
    """What an earlier release held out stays held out, level by level; a file that it did not write is the player's."""
    path = world.validation / _BEFORE_LEVELS
    try:
        if check_regular(path).st_size > _LARGEST_BEFORE_LEVELS:
            return
        problems = list(read_validation(path))
    except (DamagedSet, UnfitFile, OSError):
        return
    kept: dict[str, dict[int, list[Problem]]] = defaultdict(lambda: defaultdict(list))
    for problem in problems:
        kept[problem.skill][problem.level].append(problem)
    missing = [
        (skill, levels)
        for skill in local_skills()
        if (levels := [level for level in _missing_levels(world, skill) if level in kept.get(skill.name, {})])
    ]
    if not missing:
        return  # a world of this release: the file is the player's
    for skill, levels in missing:
        try:
            _write_levels(world, skill, levels, kept[skill.name])
        except TrainerUnavailable as trouble:
            health.mark_down(world, skill.name, str(trouble))
            return  # all of it stays held out until this one answers
    path.unlink()
