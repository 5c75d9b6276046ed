"""One look at the running world: a frozen view that snapshot and tick are made from.

A look costs a few file reads; the database is asked only when the caller says so or the daemon's status changed.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from arena import status as arena_status
from arena import steps
from arena.chronicle import HERO_CHANGED
from arena.status import ArenaStatus
from arena.steps import Records
from guild.selectors import accuracy_history
from realm import strict
from realm.staleness import STALE_SECONDS
from realm.world import World
from watchtower import scores, selectors
from watchtower.hero import HeroCard, saved_card
from watchtower.selectors import BattleFacts

TAIL_RECORDS = 4096
MOST_EVENTS = 500


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    looked_at: float
    arena: ArenaStatus
    facts: BattleFacts | None
    scene: int
    """Rises when another battle is shown or its steps were cut back: curves drawn before are no longer true."""
    count: int
    """Whole records in the battle's steps.bin."""
    tail: Records
    """The newest of them."""
    seq: int
    events: tuple[dict[str, Any], ...]
    """What was told between the look before and this one; empty in a first look."""
    card: HeroCard
    validation_loss: float | None
    accuracy: float | None
    forecast: dict[str, Any] | None
    """`data.estimate` of the battle's beginning, or of its last resume."""
    measured: dict[str, Any] | None
    """`data.measured` of its end."""

    @property
    def age_seconds(self) -> float | None:
        """Age of what the daemon said last."""
        return None if self.arena.time is None else max(0.0, self.looked_at - self.arena.time)

    @property
    def stale(self) -> bool:
        return self.age_seconds is not None and self.age_seconds > STALE_SECONDS

    def tells_more_than(self, other: View) -> bool:
        """Whether anything but the clock has moved on."""
        return (self.scene, self.count, self.seq, self.stale, self.facts, replace(self.arena, time=None)) != (
            other.scene, other.count, other.seq, other.stale, other.facts, replace(other.arena, time=None),
        )  # fmt: skip


class NoSuchBattle(LookupError):
    """One sentence for whoever asked."""


def first_look(world: World, hero: str) -> View:
    return _first_look(world, hero, selectors.current_battle(hero))


def look_at(world: World, hero: str, battle: str) -> View:
    """As it stands now, over or not. Raises NoSuchBattle."""
    facts = selectors.battle_facts(hero, battle)
    if facts is None:
        raise NoSuchBattle(f"there is no battle {strict.shown(battle[:80])}")
    return _first_look(world, hero, facts)


def _first_look(world: World, hero: str, facts: BattleFacts | None) -> View:
    count, tail = _tail(world, facts)
    return View(
        looked_at=time.time(),
        arena=arena_status.read_status(world),
        facts=facts,
        scene=0,
        count=count,
        tail=tail,
        seq=selectors.newest_seq(),
        events=(),
        card=saved_card(world, hero),
        validation_loss=_newest_validation(facts),
        accuracy=_newest_accuracy(hero),
        forecast=selectors.forecast_of(facts.battle) if facts else None,
        measured=selectors.measured_of(facts.battle) if facts else None,
    )


def hero_of(events: Sequence[dict[str, Any]], before: str) -> str:
    """Who fights by these events, told after `before` did."""
    told = [event["data"]["hero"] for event in events if event["kind"] == HERO_CHANGED and "hero" in event["data"]]
    return str(told[-1]) if told else before


def of_another_hero(world: World, hero: str, before: View) -> View:
    """What there is of `hero`, as a new scene behind the events of the look before."""
    return replace(first_look(world, hero), scene=before.scene + 1, seq=before.seq, events=before.events)


def look_again(world: World, hero: str, before: View, *, ask_database: bool) -> View:
    arena = arena_status.read_status(world)
    after = replace(before, looked_at=time.time(), arena=arena, events=())
    if ask_database or replace(arena, time=None) != replace(before.arena, time=None):
        after = _ask_database(world, hero, after)
    return _follow_steps(world, before, after)


def _ask_database(world: World, hero: str, view: View) -> View:
    newest = selectors.newest_seq()
    facts = selectors.current_battle(hero)
    if newest == view.seq and facts == view.facts:
        return view
    events = selectors.events_between(view.seq, newest, most=MOST_EVENTS)
    return replace(
        view,
        facts=facts,
        seq=events[-1]["seq"] if events else view.seq,
        events=tuple(events),
        card=saved_card(world, hero),
        validation_loss=_newest_validation(facts),
        accuracy=_newest_accuracy(hero),
        forecast=selectors.forecast_of(facts.battle) if facts else None,
        measured=selectors.measured_of(facts.battle) if facts else None,
    )


def _follow_steps(world: World, before: View, view: View) -> View:
    """Take in what was appended; a battle that is another one, or was cut back by a resume, is a new scene."""
    if _battle(view.facts) == _battle(before.facts):
        appended = _appended(world, before)
        if appended is not None:
            tail = np.concatenate((before.tail, appended))[-TAIL_RECORDS:] if len(appended) else before.tail
            return replace(view, count=before.count + len(appended), tail=tail)
    count, tail = _tail(world, view.facts)
    return replace(view, scene=before.scene + 1, count=count, tail=tail)


def _appended(world: World, before: View) -> Records | None:
    """Records since the look before; None if the file no longer holds what was read then."""
    if before.facts is None:
        return steps.NO_RECORDS
    path = steps.path_of(world, before.facts.battle)
    fresh = steps.read(path, max(0, before.count - 1), steps.count(path))
    if not before.count:
        return fresh
    # Compared as bytes: a NaN in the record is equal to itself here.
    if not len(fresh) or fresh[0].tobytes() != before.tail[-1].tobytes():
        return None
    return fresh[1:]


def _tail(world: World, facts: BattleFacts | None) -> tuple[int, Records]:
    if facts is None:
        return 0, steps.NO_RECORDS
    path = steps.path_of(world, facts.battle)
    count = steps.count(path)
    start = max(0, count - TAIL_RECORDS)
    tail = steps.read(path, start, count)
    return start + len(tail), tail


def _battle(facts: BattleFacts | None) -> tuple[str, int | None, int | None] | None:
    """A battle that got ready and takes its first step is drawn anew: only now its place in the curve is known.

    So is one that the hero went back to before its end.
    """
    return (facts.battle, facts.first_step, facts.until) if facts else None


def _newest_validation(facts: BattleFacts | None) -> float | None:
    return scores.newest_loss(facts.battle, until=facts.until) if facts else None


def _newest_accuracy(hero: str) -> float | None:
    newest = accuracy_history(hero, limit=1)
    return newest[-1].accuracy if newest else None
