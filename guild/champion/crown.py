"""The champion: decided by the rule, remembered in `models/heroes/<hero>/champion.json`, asked by all others here.

It is remembered because the rule compares two at a time: what was compared may have made room since. Each branch of
a hero has its own. One that the player pinned is the champion whatever the rule says, for as long as it is whole; the
rule goes on choosing beside it.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path

from guild.champion.candidates import read_candidates
from guild.champion.rule import LEVELS, Candidate, best_of, champion_of
from realm import strict
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk import durable, locks
from realm.world import World

log = logging.getLogger(__name__)

FILE = "champion.json"
LOCK_FILE = "champions.lock"
"""In the vault's folder; of all heroes."""
MOST_JUDGED = 200
"""Checkpoints among which a champion is chosen at once: their sidecars are read, half a millisecond each."""


class DamagedChampions(Exception):
    """Nobody knows any more who was promoted; one sentence for the player, with what to do."""


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
class Pin:
    """The champion of a branch by the player's choice."""

    name: str
    by: str
    at: str
    """ISO 8601 with offset."""


@dataclass(frozen=True, kw_only=True)
class _Champions:
    champions: dict[str, Champion] = field(default_factory=dict)
    """By branch, as the rule has chosen them."""
    pinned: dict[str, Pin] = field(default_factory=dict)
    """By branch."""


def champion(world: World, hero: str, metric: str) -> Champion | None:
    """The one that is pinned, or whoever holds the crown by `metric`; None while there is no checkpoint."""
    if pinned := _pinned(world, hero, metric):
        return pinned
    remembered = _remembered(world, hero, metric)
    return remembered or _decide(read_candidates(world, hero), metric, None)


def quick_champion(world: World, hero: str, metric: str) -> Champion | None:
    """The champion, for a page or an answer that must not wait.

    Of more than MOST_JUDGED checkpoints nobody is chosen meanwhile: the arena does after each save, and remembers.
    """
    if _pinned(world, hero, metric) or _remembered(world, hero, metric) or _are_few(world.heroes / hero):
        return champion(world, hero, metric)
    return None


def _are_few(hero_folder: Path) -> bool:
    with suppress(FileNotFoundError), os.scandir(hero_folder) as found:
        return sum(1 for _ in islice(found, MOST_JUDGED + 1)) <= MOST_JUDGED
    return True


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
    next time. Where one is pinned it is the one that is returned. While the file is damaged nothing is remembered: it
    may name a pinned one.
    """
    folder = world.heroes / hero
    branch = branches.read(folder).active if branch is None else branch
    before = _remembered(world, hero, metric, branch)
    candidates = read_candidates(world, hero, branch=branch, since=_name(before), unsettled=unsettled)
    found = _decide([one for one in candidates if until is None or one.step <= until], metric, before)
    if found and found != before:
        try:
            with _rewritten(world, hero) as known:
                known.champions[branch] = found
        except DamagedChampions as damage:
            log.error("%s", damage)
    return _pinned(world, hero, metric, branch) or found


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
    """Names of the remembered champions, by whatever metric, and of pinned ones; they make no room for others."""
    known = _read(world.heroes / hero)
    return {found.name for found in known.champions.values()} | {found.name for found in known.pinned.values()}


def holders(world: World, hero: str) -> set[str]:
    """Names of those that are champions now: of each branch the pinned one where it is whole, else the remembered."""
    known = _read(world.heroes / hero)
    chosen = {branch: found.name for branch, found in known.champions.items()}
    chosen |= {branch: found.name for branch, found in known.pinned.items() if not lost_pin(world, hero, branch)}
    return set(chosen.values())


def check(world: World, hero: str) -> None:
    """Raises DamagedChampions where the file cannot be read."""
    _load(world.heroes / hero)


def pins(world: World, hero: str) -> dict[str, Pin]:
    """By branch, whether whole or not."""
    return _read(world.heroes / hero).pinned


def pin(world: World, hero: str, branch: str, chosen: Pin | None) -> None:
    """Let `chosen` be the champion of `branch`; None: let the rule decide again. The file is on disk at return.

    Raises DamagedChampions.
    """
    with _rewritten(world, hero) as known:
        known.pinned.pop(branch, None)
        if chosen:
            known.pinned[branch] = chosen


def lost_pin(world: World, hero: str, branch: str | None = None) -> str:
    """Why the pinned champion of `branch`, or of the active one, does not hold, in a sentence; empty where it does."""
    folder = world.heroes / hero
    found = _read(folder).pinned.get(branches.read(folder).active if branch is None else branch)
    if found is None:
        return ""
    try:
        sidecar.verify(folder / found.name, quick=True)
    except (DamagedCheckpoint, OSError) as error:
        return f"{found.name} was promoted to champion by {found.by} and is gone or damaged ({error}): the rule decides"
    return ""


def _pinned(world: World, hero: str, metric: str, branch: str | None = None) -> Champion | None:
    folder = world.heroes / hero
    branch = branches.read(folder).active if branch is None else branch
    found = _read(folder).pinned.get(branch)
    if found is None:
        return None
    if trouble := lost_pin(world, hero, branch):
        log.warning("%s: %s", hero, trouble)
        return None
    why = f"promoted by {found.by} on {found.at[:10]}"
    return Champion(name=found.name, step=step_of(found.name) or 0, metric=metric, why=why)


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


@contextmanager
def _rewritten(world: World, hero: str) -> Iterator[_Champions]:
    """What is remembered, to be changed; the arena crowns while a page pins, and neither may undo the other's."""
    folder = world.heroes / hero
    world.vault.mkdir(parents=True, exist_ok=True)
    with locks.held(world.vault / LOCK_FILE):
        known = _load(folder)
        yield known
        durable.write_json(folder / FILE, asdict(known))


def _read(hero_folder: Path) -> _Champions:
    """None of whom where the file is not there or cannot be read: then they are decided anew."""
    try:
        return _load(hero_folder)
    except DamagedChampions:
        return _Champions()


def _load(hero_folder: Path) -> _Champions:
    path = hero_folder / FILE
    try:
        return strict.read(_Champions, json.loads(path.read_bytes()), source=FILE)
    except (FileNotFoundError, NotADirectoryError):
        return _Champions()
    except (OSError, ValueError, RecursionError) as error:
        raise DamagedChampions(
            f"{hero_folder.name}/{FILE} cannot be read ({error}), so that nothing of {hero_folder.name} is deleted or "
            "promoted: bring it back from a snapshot, or delete it and promote anew"
        ) from error
