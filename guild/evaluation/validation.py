"""The fixed validation set: some problems of every skill, spread over its levels, in the form of a quest."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from guild.errors import DamagedSet, TrainerUnavailable
from guild.evaluation.sets import ensure_evaluation_sets, evaluation_keys
from guild.skills import health
from guild.skills.registry import Skill, get_trainer, read_skills
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.trainers.sampling import draw
from guild.trainers.seeds import derive
from realm.disk import durable
from realm.world import World

MOST_ROWS = 100
"""Scored with each checkpoint, so that it costs about as much as a training step or two of the embedded hero."""


def ensure_validation(world: World) -> Path:
    """The validation set's file, written if it is absent; from then on it stays as it is.

    Of MOST_ROWS every skill gets the same share, and of that every level, up to the skill's `validation_problems`;
    where a skill has more levels than its share has rows, levels at equal distances get one row each. Skills whose
    trainer is remote are left out: nobody can tell when it would answer; so is one whose class fails, which is marked
    down. It shares no problem with an evaluation set.
    """
    path = world.validation / "validation.jsonl"
    if not path.exists():
        skills = local_skills()
        share = MOST_ROWS // max(len(skills), 1)
        problems = [problem for skill in skills for problem in _problems_if_any(world, skill, share)]
        durable.write_bytes(path, to_jsonl(to_lesson(problem) for problem in problems))
    return path


def local_skills() -> tuple[Skill, ...]:
    """Those whose trainer answers at once, because it is a class of this process."""
    return tuple(skill for skill in read_skills() if not skill.is_remote)


def rows_by_level(skill: Skill, share: int) -> dict[int, int]:
    """How many of `share` rows each level gets; levels without one are left out."""
    levels = min(skill.max_level, share)
    if not levels:
        return {}
    chosen = [1 + index * skill.max_level // levels for index in range(levels)]
    each, rest = divmod(share, levels)
    return {level: min(skill.validation_problems, each + (index < rest)) for index, level in enumerate(chosen)}


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


def held_out(world: World, skill: Skill | None = None) -> frozenset[str]:
    """Keys of all problems that no quest may contain.

    The sets of `skill`, which is to be forged, are made if they are absent, as are those of all local trainers; of
    other skills that are taught by remote ones, or that fail, those count that are there, for keys of two skills are
    never the same. Raises DamagedSet, and errors.TrainerUnavailable for a fault of `skill` alone.
    """
    path = ensure_validation(world)
    if skill:
        ensure_evaluation_sets(world, skill)
    for other in local_skills():
        if not skill or other.name != skill.name:
            _ensure_if_it_can(world, other)
    facts = path.stat()
    validated = _keys_of_version(path, (facts.st_mtime_ns, facts.st_size, facts.st_ino))
    return validated.union(*(evaluation_keys(world, known) for known in read_skills()))


@lru_cache(maxsize=16)
def _keys_of_version(path: Path, stamp: tuple[int, int, int]) -> frozenset[str]:
    return frozenset(problem.key for problem in read_validation(path))


def _ensure_if_it_can(world: World, skill: Skill) -> None:
    """A skill's fault is its own, and stops nothing of another's."""
    try:
        ensure_evaluation_sets(world, skill)
    except TrainerUnavailable as trouble:
        health.mark_down(world, skill.name, str(trouble))


def _problems_if_any(world: World, skill: Skill, share: int) -> list[Problem]:
    try:
        return list(_problems(world, skill, share))
    except TrainerUnavailable as trouble:
        health.mark_down(world, skill.name, str(trouble))
        return []


def _problems(world: World, skill: Skill, share: int) -> Iterator[Problem]:
    """None of them evaluated or chosen at another level."""
    ensure_evaluation_sets(world, skill)
    taken = evaluation_keys(world, skill)
    for level, count in rows_by_level(skill, share).items():
        seed = derive("validation", skill.name, level)
        chosen = draw(get_trainer(skill.name), level=level, count=count, seed=seed, forbidden=taken)
        taken |= {problem.key for problem in chosen}
        yield from chosen
