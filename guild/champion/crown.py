"""The champion: decided by the rule, remembered in `models/heroes/<hero>/champion.json`, asked by all others here.

It is remembered because the rule compares two at a time: what was compared may have made room since.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict, dataclass
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


def champion(world: World, hero: str, metric: str) -> Champion | None:
    """Whoever holds the crown by `metric`; None while there is no checkpoint."""
    remembered = _remembered(world, hero, metric)
    return remembered or _decide(read_candidates(world, hero), metric, None)


def crown(
    world: World, hero: str, metric: str, *, until: int | None = None, unsettled: Collection[str] = ()
) -> Champion | None:
    """Let the checkpoints since the champion, up to the step `until`, challenge for the crown; remember who holds it.

    Those that are `unsettled`, by name, are left for the next time.
    """
    before = _remembered(world, hero, metric)
    candidates = read_candidates(world, hero, unsettled=unsettled)
    found = _decide([one for one in candidates if until is None or one.step <= until], metric, before)
    if found and found != before:
        durable.write_json(_path(world, hero), asdict(found))
    return found


def best(world: World, hero: str, metric: str, *, branch: str | None = None) -> str | None:
    """Name of the best checkpoint of a branch, or of the active one, by one metric; by `levels` the champion of that.

    Raises ValueError for a metric that is not known.
    """
    candidates = read_candidates(world, hero, branch=branch)
    if metric == LEVELS:
        found = _decide(candidates, metric, _remembered(world, hero, metric) if branch is None else None)
        return found.name if found else None
    chosen = best_of(candidates, metric)
    return chosen.name if chosen else None


def crowned(world: World, hero: str) -> str | None:
    """Name of the remembered champion, by whatever metric; it makes no room for others."""
    found = _read(_path(world, hero))
    return found.name if found else None


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


def _remembered(world: World, hero: str, metric: str) -> Champion | None:
    """None where it was chosen by another metric, is gone, or lies on a branch that the hero has left."""
    found = _read(_path(world, hero))
    if found is None or found.metric != metric or not (world.heroes / hero / found.name / SIDECAR).exists():
        return None
    return found if any(path.name == found.name for path in branches.line_folders(world.heroes / hero)) else None


def _read(path: Path) -> Champion | None:
    """None where none was crowned, or the file cannot be read: then it is decided anew."""
    try:
        return strict.read(Champion, json.loads(path.read_bytes()), source=str(path))
    except (OSError, ValueError):
        return None


def _path(world: World, hero: str) -> Path:
    return world.heroes / hero / FILE
