"""Which trainers are down, told once and known to every process: `status/trainers.json`.

A trainer that fails is skipped for a minute, and for twice as long after each failure that follows, up to half an hour.
Then whoever wants it next tries it again. What a file asks for and its trainer cannot do lasts: such a skill is left
alone until its file changes, or a health check finds that its package has. A skill whose file has changed meanwhile is
tried at once.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from guild.errors import BrokenFile, TrainerUnavailable, UnknownSkill
from guild.skills import registry
from guild.skills.registry import Skill, get_trainer, read_skills
from guild.trainers.contract import Trainer
from realm import strict
from realm.disk import durable, locks
from realm.world import World

FIRST_PAUSE_SECONDS = 60.0
LONGEST_PAUSE_SECONDS = 1800.0

Clock = Callable[[], float]
"""Seconds since 1970: the file is read by many processes, and may outlive a boot."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Down:
    """Of a trainer that failed when it was last tried."""

    reason: str
    failures: int
    """In a row."""
    since: float
    retry_at: float
    stamp: tuple[int, ...]
    """Of the skill's file when it failed."""
    lasting: bool = False
    """It is the file that is at fault: the skill is left alone until it changes."""


def down(world: World) -> dict[str, Down]:
    """By skill: those that failed when last tried, be it time to try them again or not."""
    return {name: entry for name, entry in _read(world).items() if _is_of_this_file(name, entry)}


def is_down(world: World, skill: str, *, clock: Clock = time.time) -> bool:
    """Whether the skill is to be left alone for now."""
    entry = down(world).get(skill)
    return entry is not None and _pauses(entry, clock())


def usable_skills(world: World, *, clock: Clock = time.time) -> tuple[Skill, ...]:
    """Those that are not down; nobody is asked, so that nobody is waited for."""
    now, known = clock(), down(world)
    return tuple(skill for skill in read_skills() if skill.name not in known or not _pauses(known[skill.name], now))


@contextmanager
def trainer_of(world: World, skill: str, *, clock: Clock = time.time) -> Iterator[Trainer]:
    """The skill's trainer; what goes wrong with it within is noted and raised on, and what goes right is noted too.

    One that was down has to give a problem before it is taken for well: nothing may have been asked of it within.
    Raises UnknownSkill and TrainerUnavailable.
    """
    try:
        trainer = get_trainer(skill)
        yield trainer
        if skill in _read(world):
            trainer.sample(level=1, count=1, seed=1)
    except (TrainerUnavailable, UnknownSkill) as error:
        mark_down(world, skill, str(error), lasting=isinstance(error, BrokenFile), clock=clock)
        raise
    mark_up(world, skill)


def note_broken_files(world: World) -> None:
    """Ask each task of reasoning-gym whether it takes what stands in its skill's file, and note what it says.

    It may import the package, which takes more than a second: for commands and checks, never for a page.
    """
    known = _read(world)
    for skill in read_skills():
        if skill.kind != "reasoning-gym":
            continue
        try:
            get_trainer(skill.name)
        except (TrainerUnavailable, UnknownSkill) as error:
            mark_down(world, skill.name, str(error), lasting=isinstance(error, BrokenFile))
        else:
            if skill.name in known and known[skill.name].lasting:
                mark_up(world, skill.name)


def mark_down(world: World, skill: str, reason: str, *, lasting: bool = False, clock: Clock = time.time) -> None:
    """Several processes that meet the same failure count as one. A name that is no skill's is not noted."""
    path = registry.file_of(skill)
    if not path.exists():
        return
    with _locked(world):
        entries, now = _read(world), clock()
        before = entries.get(skill)
        if before is not None and not _is_of_this_file(skill, before):
            before = None
        if before is not None and _pauses(before, now) and (before.lasting or not lasting):
            return
        failures = before.failures + 1 if before else 1
        pause = min(FIRST_PAUSE_SECONDS * 2 ** (min(failures, 30) - 1), LONGEST_PAUSE_SECONDS)
        entries[skill] = Down(
            reason=reason, failures=failures, since=before.since if before else now, retry_at=now + pause,
            stamp=registry.stamp(path), lasting=lasting,
        )  # fmt: skip
        _write(world, entries)
    if before is None or before.reason != reason:
        _log.warning("skill %s is skipped until its trainer works again: %s", skill, reason)


def mark_up(world: World, skill: str) -> None:
    if skill not in _read(world):
        return
    with _locked(world):
        entries = _read(world)
        if entries.pop(skill, None) is None:
            return
        _write(world, entries)
    _log.info("the trainer of skill %s works again", skill)


def _pauses(entry: Down, now: float) -> bool:
    """A clock that was set back makes no pause longer than the longest."""
    return entry.lasting or now < entry.retry_at <= now + LONGEST_PAUSE_SECONDS


def _is_of_this_file(skill: str, entry: Down) -> bool:
    return registry.stamp(registry.file_of(skill)) == entry.stamp


def _path(world: World) -> Path:
    return world.status / "trainers.json"


def _read(world: World) -> dict[str, Down]:
    """Empty where there is no file, or a damaged one: it is a view, and is made anew."""
    try:
        told = json.loads(_path(world).read_bytes())
        return {str(name): strict.read(Down, entry, source=str(name)) for name, entry in told["down"].items()}
    except (OSError, ValueError, RecursionError, TypeError, KeyError, AttributeError):
        return {}


def _write(world: World, entries: dict[str, Down]) -> None:
    told = {name: asdict(entry) for name, entry in sorted(entries.items())}
    durable.write_json(_path(world), {"down": told}, sync=False)


def _locked(world: World) -> AbstractContextManager[None]:
    """Held for one reading and writing only; a process that dies in between lets it go."""
    return locks.held(world.control / "trainers.lock")
