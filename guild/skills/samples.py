"""A few problems of a skill's level to look at; a trainer far away is waited for only so long."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooLong
from dataclasses import dataclass, field

from guild.errors import GuildError
from guild.skills.registry import Skill, get_trainer
from guild.trainers.problems import Problem

SAMPLES = 4
TIMEOUT_SECONDS = 4.0
_far = ThreadPoolExecutor(max_workers=2, thread_name_prefix="samples")
"""Asks trainers that may take long; two that hang keep a third from being asked, not the page from answering."""


@dataclass(frozen=True, kw_only=True)
class Samples:
    level: int
    problems: list[Problem] = field(default_factory=list)
    trouble: str = ""


def read(skill: Skill, level: int, *, timeout_seconds: float = TIMEOUT_SECONDS) -> Samples:
    level = min(max(level, 1), skill.max_level)
    try:
        drawn = _draw_far(skill, level, timeout_seconds) if skill.is_remote else _draw(skill.name, level)
    except TooLong:
        return Samples(level=level, trouble=f"Its trainer did not answer within {timeout_seconds:.0f} s.")
    except (GuildError, ValueError) as error:
        return Samples(level=level, trouble=str(error))
    return Samples(level=level, problems=drawn)


def _draw_far(skill: Skill, level: int, timeout_seconds: float) -> list[Problem]:
    asked: Future[list[Problem]] = _far.submit(_draw, skill.name, level)
    try:
        return asked.result(timeout_seconds)
    finally:
        asked.cancel()  # nobody looks any more at what has not begun


def _draw(name: str, level: int) -> list[Problem]:
    return get_trainer(name).sample(level=level, count=SAMPLES)
