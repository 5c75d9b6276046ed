"""The champion: decided by the rule, remembered in `models/heroes/<hero>/champion.json`, asked by all others here.

It is remembered because the rule compares two at a time: what was compared may have made room since. Each branch of
a hero has its own.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from pathlib import Path

from guild.champion.candidates import read_candidates
from guild.champion.rule import LEVELS, Candidate, best_of, champion_of
from realm import strict
from realm.checkpoints import branches
from realm.checkpoints.sidecar import SIDECAR
from realm.disk import durable
from realm.world import World

FILE = "champion.json"


@dataclass(frozen=True, kw_only=True)
class Champion:
    name: str
    step: int
    metric: str
    why: str = ""
    """In words, why it beat the one before; empty for the first."""
    previous: str = ""
    """Name of the one before."""


@dataclass(frozen=True, kw_only=True)
class _Champions:
    champions: dict[str, Champion] = field(default_factory=dict)
    """By branch."""


def champion(world: World, hero: str, metric: str) -> Champion | None:
    """Whoever holds the crown by `metric`; None while there is no checkpoint."""
    remembered = _remembered(world, hero, metric)
    return remembered or _decide(read_candidates(world, hero), metric, None)


def crown(
    world: World,
    hero: str,
    metric: str,
    *,
    branch: str | None = None,
    until: int | None = None,
    unsettled: Collection[str] = (),
) -> Champion | None:
    """Let the checkpoints since the champion, up to the step `until`, challenge for the crown; remember who holds it.

    They are those on the line of `branch`, or of the active one; those that are `unsettled`, by name, are left for the
    next time.
    """
    folder = world.heroes / hero
    branch = branches.read(folder).active if branch is None else branch
    before = _remembered(world, hero, metric, branch)
    candidates = read_candidates(world, hero, branch=branch, since=_name(before), unsettled=unsettled)
    found = _decide([one for one in candidates if until is None or one.step <= until], metric, before)
    if found and found != before:
        champions = _read(folder).champions | {branch: found}
        durable.write_json(folder / FILE, asdict(_Champions(champions=champions)))
    return found


def best(world: World, hero: str, metric: str, *, branch: str | None = None) -> str | None:
    """Name of the best checkpoint by one metric, on the line of `branch` or of the active one.

    By `levels` it is the champion of that metric. Raises ValueError for a metric that is not known.
    """
    if metric == LEVELS:
        before = _remembered(world, hero, metric, branch)
        found = _decide(read_candidates(world, hero, branch=branch, since=_name(before)), metric, before)
        return found.name if found else None
    chosen = best_of(read_candidates(world, hero, branch=branch), metric)
    return chosen.name if chosen else None


def crowned(world: World, hero: str) -> set[str]:
    """Names of the remembered champions, by whatever metric; they make no room for others."""
    return {found.name for found in _read(world.heroes / hero).champions.values()}


def _name(before: Champion | None) -> str:
    """Nobody older than the champion challenges it."""
    return before.name if before else ""


def _decide(candidates: list[Candidate], metric: str, before: Champion | None) -> Champion | None:
    holder = next((one for one in candidates if before and one.name == before.name), None)
    if before and holder is None:  # newer than those that challenge now, or to be asked again
        return before
    later = [one for one in candidates if holder is None or (one.step, one.name) > (holder.step, holder.name)]
    found = champion_of(later, metric, holder)
    if found is None:
        return None
    chosen, why = found
    if before and chosen.name == before.name:
        return before
    return Champion(name=chosen.name, step=chosen.step, metric=metric, why=why, previous=before.name if before else "")


def _remembered(world: World, hero: str, metric: str, branch: str | None = None) -> Champion | None:
    """None where it was chosen by another metric, or is gone."""
    folder = world.heroes / hero
    found = _read(folder).champions.get(branches.read(folder).active if branch is None else branch)
    return found if found and found.metric == metric and (folder / found.name / SIDECAR).exists() else None


def _read(hero_folder: Path) -> _Champions:
    """None of whom where the file is not there or cannot be read: then they are decided anew."""
    path = hero_folder / FILE
    try:
        return strict.read(_Champions, json.loads(path.read_bytes()), source=str(path))
    except (OSError, ValueError):
        return _Champions()
