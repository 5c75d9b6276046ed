"""The curve of a hero: the battle of now, and before it the last few that led there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

import numpy as np

from arena import steps
from arena.steps import MOST_CURVE_POINTS, Records
from realm.world import World
from watchtower import selectors
from watchtower.course import Course, joined
from watchtower.selectors import BattleFacts

EARLIER_BATTLES = 5
_MOST_OF_NOW = 1500  # of MOST_CURVE_POINTS, where there are earlier battles to show too


@dataclass(frozen=True)
class Chapter:
    """What the curve shows of one battle."""

    battle: str
    quest: str
    first_step: int
    """The hero's step before the battle's first one."""
    course: Course
    until: int | None = None
    """The last step of it that the hero has come from; None: all."""

    @property
    def records(self) -> Records:
        return self.course.records


def chapters(world: World, hero: str, facts: BattleFacts, count: int) -> list[Chapter]:
    """The first `count` records of the battle of now and its forerunners, together at most MOST_CURVE_POINTS.

    Oldest first, steps rising throughout: what an earlier battle did after the step at which a later one began was
    rolled back, and is left out. The last one is the battle of now, unless nothing is known of its steps yet. Of other
    branches only what led to the hero of now is there.
    """
    path = steps.path_of(world, facts.battle)
    course = Course.of(steps.read(path, 0, count))
    now = _chapter(facts.battle, facts.quest, course, facts.first_step, facts.until)
    before = _without_rolled_back(_earlier(world, hero, facts), until=now.first_step if now else None)
    latest = _thinned([now] if now else [], _MOST_OF_NOW if before else MOST_CURVE_POINTS)
    return _thinned(before, MOST_CURVE_POINTS - sum(len(chapter.course) for chapter in latest)) + latest


def _earlier(world: World, hero: str, facts: BattleFacts) -> list[Chapter]:
    found = []
    for battle, quest, until in selectors.battles_before(hero, facts, most=EARLIER_BATTLES):
        path = steps.path_of(world, battle)
        chapter = _chapter(battle, quest, _thin_file(path, steps.count(path)), None, until)
        if chapter:
            found.append(chapter)
    return found


@lru_cache(maxsize=64)
def _thin_file(path: Path, count: int) -> Course:
    """A battle that is over does not change; one that was resumed since has another count."""
    return Course.of(steps.read(path, 0, count)).thinned(MOST_CURVE_POINTS)


def _chapter(battle: str, quest: str, course: Course, first_step: int | None, until: int | None) -> Chapter | None:
    course = course.up_to(until)
    if len(course):
        first_step = int(course.records["step"][0]) - 1
    return None if first_step is None else Chapter(battle, quest, first_step, course, until)


def _without_rolled_back(told: list[Chapter], until: int | None) -> list[Chapter]:
    kept: list[Chapter] = []
    for chapter in reversed(told):
        course = chapter.course.up_to(until)
        if len(course):
            kept.append(replace(chapter, course=course))
            until = chapter.first_step
    return kept[::-1]


def _thinned(told: list[Chapter], most: int) -> list[Chapter]:
    """`most` points for all together, so that a long battle is drawn no finer than a short one."""
    if sum(len(chapter.course) for chapter in told) <= most:
        return list(told)
    whole = joined([chapter.course for chapter in told])
    kept = steps.kept_places(whole.records, most)
    ends = np.cumsum([len(chapter.course) for chapter in told])
    starts = ends - [len(chapter.course) for chapter in told]
    parts = [kept[(kept >= start) & (kept < end)] - start for start, end in zip(starts, ends, strict=True)]
    return [
        replace(chapter, course=chapter.course.picked(part))
        for chapter, part in zip(told, parts, strict=True)
        if len(part)
    ]
