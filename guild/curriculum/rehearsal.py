"""Fresh problems of levels won before, for quests that the guild did not make: what is not met again is forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from guild.curriculum.plan import AS_SHIPPED, Curriculum, turns
from guild.errors import GuildError
from guild.evaluation.progression import lost_levels
from guild.evaluation.validation import held_out
from guild.skills.health import trainer_of
from guild.skills.registry import Skill, get_skill
from guild.trainers.problems import to_lesson
from guild.trainers.sampling import draw
from guild.trainers.seeds import derive
from realm.world import World


def lessons(
    world: World,
    hero: str,
    count: int,
    seed: int,
    curriculum: Curriculum = AS_SHIPPED,
    *,
    tell: Callable[[str], object],
) -> list[dict[str, Any]]:
    """About `count` rows, shared by all levels won; one that was lost again counts its skill's `lost_weight` times.

    None of them is ever evaluated or scored. A skill whose trainer fails has none: `tell` hears why.
    """
    weights: dict[str, dict[int, int]] = {}
    for turn in turns(world, hero, curriculum):
        lost = lost_levels(hero=hero, skill=turn.skill)
        weights[turn.skill.name] = {
            level: turn.skill.lost_weight if level in lost else 1 for level in range(1, turn.level)
        }
    total = sum(sum(levels.values()) for levels in weights.values())
    found: list[dict[str, Any]] = []
    for name in sorted(weights):
        shares = {level: -(-count * weight // total) for level, weight in weights[name].items()}
        try:
            found += _of_skill(world, get_skill(name), shares, seed) if shares else []
        except (GuildError, ValueError) as trouble:
            tell(f"Nothing of {name} is rehearsed: {trouble}")
    return found


def _of_skill(world: World, skill: Skill, shares: dict[int, int], seed: int) -> list[dict[str, Any]]:
    with trainer_of(world, skill.name) as trainer:
        forbidden = held_out(world, skill)
        return [
            to_lesson(problem)
            for level, count in shares.items()
            for problem in draw(
                trainer, level=level, count=count, seed=derive(seed, skill.name, level), forbidden=forbidden
            )
        ]
