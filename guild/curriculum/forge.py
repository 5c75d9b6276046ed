"""Forges the next quest of the curriculum when there is nothing else to do."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from guild.curriculum import plan as curricula
from guild.curriculum.plan import AS_SHIPPED, Curriculum, Plan
from guild.errors import GuildError, TrainerUnavailable, UnknownSkill
from guild.evaluation.validation import held_out
from guild.skills.health import trainer_of
from guild.skills.registry import get_skill, read_skills
from guild.trainers.problems import Problem, to_jsonl, to_lesson
from guild.trainers.sampling import draw
from guild.trainers.seeds import derive, shuffled
from realm.disk import durable
from realm.world import World


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

    It may take as long as remote trainers take. Raises GuildError if no skill wants a quest, or none can be forged.
    """
    troubles: list[GuildError] = []
    most = len(read_skills())  # counted before: those that turn out broken are listed no more
    while len(troubles) <= most and (plan := curricula.plan(world, hero, curriculum)):
        try:
            return Forged(plan=plan, data=_rows(world, hero, plan))
        except (TrainerUnavailable, UnknownSkill) as trouble:
            # It is noted: the skill is left alone for a while, by other skills' quests as well.
            troubles.append(trouble)
    raise troubles[0] if troubles else GuildError(_why_none(curricula.turns(world, hero, curriculum)))


def deliver(world: World, forged: Forged) -> Path:
    path = world.inbox / f"{forged.plan.name}.jsonl"
    durable.write_bytes(path, forged.data)
    return path


def _why_none(turns: tuple[curricula.Turn, ...]) -> str:
    said = [f"{turn.skill.name}: {turn.waits}" for turn in turns if turn.skill.priority]
    reason = "; ".join(said) or "no usable skill in configs/skills has a priority above 0"
    return f"No quest can be forged: {reason}"


def _rows(world: World, hero: str, plan: Plan) -> bytes:
    seed = derive("forge", hero, plan.skill.name, plan.level, plan.number)
    skills = dict.fromkeys(part.skill for part in plan.mix)
    problems = [problem for skill in skills for problem in _problems(world, plan, skill, seed)]
    return to_jsonl(to_lesson(problem) for problem in shuffled(problems, random.Random(derive(seed, "order"))))


def _problems(world: World, plan: Plan, skill: str, seed: int) -> Iterator[Problem]:
    """Those of one skill, none of them held out."""
    own = skill == plan.skill.name
    with trainer_of(world, skill) as trainer:
        forbidden = held_out(world, get_skill(skill))
        for part in (part for part in plan.mix if part.skill == skill):
            part_seed = derive(seed, part.level) if own else derive(seed, skill, part.level)
            yield from draw(trainer, level=part.level, count=part.rows, seed=part_seed, forbidden=forbidden)
