"""Forges the next quest of the curriculum when there is nothing else to do."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

from guild import curriculum as curricula
from guild.curriculum import AS_SHIPPED, Curriculum, Plan
from guild.drawing import draw
from guild.errors import GuildError, TrainerUnavailable
from guild.forged import is_forged_name
from guild.problems import to_jsonl, to_lesson
from guild.seeds import derive, shuffled
from guild.trainer_health import trainer_of
from guild.trainers.contract import Trainer
from guild.validation import held_out
from realm import durable
from realm.world import World

__all__ = ["Forged", "deliver", "forge_next", "is_forged_name", "prepare"]


@dataclass(frozen=True, kw_only=True)
class Forged:
    """A quest that was forged and lies nowhere yet."""

    plan: Plan
    data: bytes
    """Its file, JSONL."""


def forge_next(world: World, hero: str, curriculum: Curriculum = AS_SHIPPED) -> Path:
    """Write the next quest into the inbox; raises GuildError if no skill wants one, or none can be forged."""
    return deliver(world, prepare(world, hero, curriculum))


def prepare(world: World, hero: str, curriculum: Curriculum = AS_SHIPPED) -> Forged:
    """Forge the next quest; a skill whose trainer is down is passed over, and the next one in turn is taken.

    It may take as long as a remote trainer takes. Raises GuildError if no skill wants a quest, or none can be forged.
    """
    wanted = curricula.plans(world, hero, curriculum)
    if not wanted:
        raise GuildError(_why_none(curricula.turns(world, hero, curriculum)))
    troubles: list[TrainerUnavailable] = []
    for plan in wanted:
        try:
            with trainer_of(world, plan.skill.name) as trainer:
                return Forged(plan=plan, data=_rows(world, hero, plan, trainer))
        except TrainerUnavailable as trouble:  # noted: it is left alone for a while
            troubles.append(trouble)
    raise troubles[0]


def deliver(world: World, forged: Forged) -> Path:
    path = world.inbox / f"{forged.plan.name}.jsonl"
    durable.write_bytes(path, forged.data)
    return path


def _why_none(turns: tuple[curricula.Turn, ...]) -> str:
    said = [f"{turn.skill.name}: {turn.waits}" for turn in turns if turn.skill.priority]
    reason = "; ".join(said) or "no usable skill in configs/skills has a priority above 0"
    return f"No quest can be forged: {reason}"


def _rows(world: World, hero: str, plan: Plan, trainer: Trainer) -> bytes:
    forbidden = held_out(world, plan.skill)
    seed = derive("forge", hero, plan.skill.name, plan.level, plan.number)
    problems = [
        problem
        for part in plan.mix
        for problem in draw(
            trainer, level=part.level, count=part.rows, seed=derive(seed, part.level), forbidden=forbidden
        )
    ]
    return to_jsonl(to_lesson(problem) for problem in shuffled(problems, random.Random(derive(seed, "order"))))
