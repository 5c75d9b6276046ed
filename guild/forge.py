"""Forges the next quest of the curriculum when there is nothing else to do."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path

from guild.errors import GuildError
from guild.problems import Problem, to_jsonl, to_lesson
from guild.progression import current_level
from guild.seeds import derive, shuffled
from guild.skills import Skill, get_trainer, list_skills
from guild.validation import held_out
from realm import durable
from realm.world import World

# At most seven digits: eight may be the digest behind a battle's name, as in bin-level-1-12345678.
_FORGED = re.compile(r"([a-z][a-z0-9]*)-level-(\d+)-(\d{4,7})(?!\d)")


def forge_next(world: World, hero: str) -> Path:
    """Write the next quest of the most neglected skill into the inbox; raises GuildError if no skill wants one."""
    numbers = _numbers_in_use(world)
    skill = _most_neglected(numbers)
    level = current_level(hero=hero, skill=skill)
    number = max(numbers.get((skill.name, level), {0})) + 1
    path = world.inbox / f"{skill.name}-level-{level}-{number:04d}.jsonl"
    problems = _choose(skill, level, held_out(world), derive("forge", hero, skill.name, level, number))
    durable.write_bytes(path, to_jsonl(to_lesson(problem) for problem in problems))
    return path


def is_forged_name(name: str) -> bool:
    """Whether a quest is named as the forge names its own."""
    return _FORGED.fullmatch(name) is not None


def _most_neglected(numbers: dict[tuple[str, int], set[int]]) -> Skill:
    wanted = [skill for skill in list_skills() if skill.priority > 0]
    if not wanted:
        raise GuildError("No quest can be forged: no usable skill in configs/skills has a priority above 0")
    forged = {
        skill.name: sum(len(found) for (name, _), found in numbers.items() if name == skill.name) for skill in wanted
    }
    return min(wanted, key=lambda skill: (forged[skill.name] / skill.priority, skill.name))


def _choose(skill: Skill, level: int, forbidden: frozenset[str], seed: int) -> list[Problem]:
    """Problems of the level and, for rehearsal, of the levels below it, mixed."""
    rehearsed = round(skill.quest_rows * skill.rehearsal_share) if level > 1 else 0
    share, rest = divmod(rehearsed, max(level - 1, 1))
    counts = {lower: share + (lower <= rest) for lower in range(1, level)} | {level: skill.quest_rows - rehearsed}
    chosen = [
        problem
        for source_level, count in counts.items()
        for problem in _fresh(skill, source_level, count, forbidden, derive(seed, source_level))
    ]
    return shuffled(chosen, random.Random(derive(seed, "order")))


def _fresh(skill: Skill, level: int, count: int, forbidden: frozenset[str], seed: int) -> list[Problem]:
    candidates = get_trainer(skill.name).sample(level=level, count=count + len(forbidden), seed=seed)
    return [problem for problem in candidates if problem.key not in forbidden][:count]


def _numbers_in_use(world: World) -> dict[tuple[str, int], set[int]]:
    """Numbers of forged quests by skill and level, by all that lies in the world.

    The folders and not the database are asked, so that a rebuilt database repeats nothing.
    """
    found: dict[tuple[str, int], set[int]] = {}
    for name in _names(world):
        for skill, level, number in _FORGED.findall(name):
            found.setdefault((skill, int(level)), set()).add(int(number))
    return found


def _names(world: World) -> Iterator[str]:
    for folder in (world.inbox, world.queue):
        yield from (path.name for path in folder.rglob("*"))
    for battle in world.battles.iterdir():
        yield battle.name
        yield _quest_of(battle)


def _quest_of(battle: Path) -> str:
    try:
        order = json.loads((battle / "order.json").read_bytes())
        return str(order["quest"])
    except (OSError, ValueError, TypeError, KeyError):  # not begun, or not a battle: its name must do
        return ""
