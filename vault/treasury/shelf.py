"""A hero's checkpoints before and after its rules are obeyed: what stays, is thinned or goes, and why."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum
from itertools import groupby, islice
from pathlib import Path
from stat import S_ISREG

from django.utils import timezone

from guild.champion import rule
from guild.champion.candidates import read_candidates
from guild.champion.rule import Candidate
from realm.checkpoints import moments
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import RealmConfig
from realm.disk import durable
from realm.oracle import served
from realm.world import World
from vault import chronicle, index, selectors
from vault.assets.ids import checkpoint_id
from vault.models import Checkpoint
from vault.treasury import safety, trash
from vault.treasury.lock import locked
from vault.treasury.rules import Limits, limits_of
from vault.treasury.safety import Reason

log = logging.getLogger(__name__)

LEFTOVER_SECONDS = 24 * 3600.0
"""What a killed writer left under a temp name is deleted when it is older; a slow save is not that slow."""
MACHINES = ("arena", "taskmaster", "vault")
"""What they deleted is emptied before what a person did."""
_PERIODS = (("hourly", "%Y-%m-%d %H %z", "hour"), ("daily", "%Y-%m-%d", "day"), ("weekly", "%G-%V", "week"))


class Fate(StrEnum):
    STAYS = "stays"
    THINNED = "thinned"
    GOES = "goes"


@dataclass(frozen=True, kw_only=True)
class Book:
    """One checkpoint on the shelf."""

    name: str
    step: int
    branch: str
    size_bytes: int
    after_bytes: int
    fate: Fate
    why: tuple[str, ...]
    """One sentence each."""


@dataclass(frozen=True, kw_only=True)
class Shelf:
    hero: str
    books: tuple[Book, ...]
    """Newest first."""
    before_bytes: int
    after_bytes: int
    free_bytes: int
    """On the volume where the hero lies, now."""
    floor_bytes: int
    trash_bytes: int
    """Of all heroes, now; with what goes it stays below `trash_gb`."""

    def named(self, fate: Fate) -> list[str]:
        return [book.name for book in self.books if book.fate == fate]


@dataclass(frozen=True, kw_only=True)
class Applied:
    deleted: tuple[str, ...]
    thinned: tuple[str, ...]
    entry: str
    """Of the trash, by which it is undone; empty where nothing went there."""
    freed_bytes: int
    """By thinning, and by what went past the trash."""
    emptied: tuple[str, ...]
    """Entries of the trash that are gone for good."""


def plan(world: World, config: RealmConfig, hero: str, *, loaded: Collection[str] = (), patient: bool = True) -> Shelf:
    """What the rules make of the hero's checkpoints now; nothing is changed.

    `loaded` are names that hosts say they hold, beside those that hosts of this world tell in files. With `patient` off
    what waits to be evaluated goes, too: who saves day and night cannot wait for a host that is down. Only listed
    checkpoints with a sidecar are counted: the rest is left for a person to look at. Raises Refused where marks cannot
    be read, and strict.BadConfig for rules that cannot be.
    """
    limits = limits_of(config)
    rows = selectors.list_checkpoints(world, hero)
    found = list(safety.reasons(world, hero, loaded=loaded))
    if not patient:
        found = [one for one in found if not one.waits]
    must = safety.by_name(found)
    wanted = _wanted(world, hero, limits, rows)
    thin = _thinned(world, hero, limits, rows, found)
    gone = {row.name: "no rule keeps it" for row in rows if row.name not in must and row.name not in wanted}
    droppable = [row for row in reversed(rows) if row.name not in must]
    gone |= _beyond_budget(limits, rows, thin, droppable, gone)
    entries = trash.list_trash(world)
    free, in_trash = free_bytes(world, hero), sum(one.size_bytes for one in entries)
    volume = _volume(world, hero)
    near = {other for other in {one.hero for one in entries} if _volume(world, other) == volume}
    would_be_free = free + sum(one.size_bytes for one in entries if one.hero in near)
    gone |= _below_floor(world, hero, limits, thin, droppable, gone, would_be_free)
    books = tuple(_book(row, gone.get(row.name), thin.get(row.name, 0), must, wanted) for row in rows)
    return Shelf(
        hero=hero,
        books=books,
        before_bytes=sum(book.size_bytes for book in books),
        after_bytes=sum(book.after_bytes for book in books),
        free_bytes=free,
        floor_bytes=limits.floor_bytes,
        trash_bytes=in_trash,
    )


def free_bytes(world: World, hero: str) -> int:
    """Of the volume where the hero's folder really lies: it may be a link to another disk."""
    return shutil.disk_usage(_really(world, hero)).free


def _volume(world: World, hero: str) -> int:
    return _really(world, hero).stat().st_dev


def _really(world: World, hero: str) -> Path:
    folder = world.heroes / hero
    return (folder if folder.is_dir() else world.heroes).resolve()


def _book(
    row: Checkpoint, gone: str | None, thinned: int, must: dict[str, tuple[str, ...]], wanted: dict[str, list[str]]
) -> Book:
    book = Book(
        name=row.name,
        step=row.step,
        branch=row.branch,
        size_bytes=row.size_bytes,
        after_bytes=row.size_bytes,
        fate=Fate.STAYS,
        why=(*must.get(row.name, ()), *wanted.get(row.name, ())),
    )
    if gone is not None:
        return replace(book, fate=Fate.GOES, after_bytes=0, why=(gone,))
    if thinned:
        return replace(book, fate=Fate.THINNED, after_bytes=row.size_bytes - thinned)
    return book


def _wanted(world: World, hero: str, limits: Limits, rows: list[Checkpoint]) -> dict[str, list[str]]:
    """Why the player's rules keep each, by name."""
    wanted: dict[str, list[str]] = {}
    for row in rows[: limits.keep_newest]:
        wanted.setdefault(row.name, []).append(f"it is one of the newest {limits.keep_newest}")
    for name in _best(world, hero, limits):
        wanted.setdefault(name, []).append(f"it is one of the best {limits.rules.keep_best} by {limits.metric}")
    for rule_name, form, word in _PERIODS:
        for name in _one_a_period(rows, form, getattr(limits.rules, rule_name)):
            wanted.setdefault(name, []).append(f"it is the newest of its {word}")
    return wanted


def _best(world: World, hero: str, limits: Limits) -> Iterator[str]:
    """The best of what was measured, then the best of the rest, and so on."""
    if not limits.rules.keep_best:
        return
    left = [one for one in read_candidates(world, hero) if _is_measured(one)]
    for _ in range(limits.rules.keep_best):
        held = rule.champion_of(left, limits.metric) if left else None
        if held is None:
            return
        yield held[0].name
        left = [one for one in left if one.name != held[0].name]


def _is_measured(one: Candidate) -> bool:
    return bool(one.answered or one.val_losses) or one.val_loss is not None


def _one_a_period(rows: list[Checkpoint], form: str, count: int) -> Iterator[str]:
    """The newest of each of the last `count` hours, days or weeks in which something was saved."""
    newest_first = sorted(rows, key=lambda one: one.created_at, reverse=True) if count else ()
    periods = groupby(newest_first, key=lambda one: one.created_at.astimezone().strftime(form))
    yield from (next(saved).name for _, saved in islice(periods, count))


def _thinned(world: World, hero: str, limits: Limits, rows: list[Checkpoint], found: list[Reason]) -> dict[str, int]:
    """By name the bytes of moments that go."""
    if limits.rules.full_state is None:
        return {}
    whole = {row.name for row in islice(selectors.walk_line(world, hero), limits.rules.full_state)}
    whole |= {one.name for one in found if one.keeps_moments}
    sizes = {
        row.name: moments.size_of(world.heroes / hero / row.name)
        for row in rows
        if row.name not in whole and not row.weights_only
    }
    return {name: size for name, size in sizes.items() if size}


def _beyond_budget(
    limits: Limits, rows: list[Checkpoint], thin: dict[str, int], droppable: list[Checkpoint], gone: dict[str, str]
) -> dict[str, str]:
    """The oldest of what may go without which the rest is within the budget, or as near as it gets."""
    total = sum(row.size_bytes - thin.get(row.name, 0) for row in rows if row.name not in gone)
    chosen = {}
    for row in droppable:
        if total > limits.budget_bytes and row.name not in gone:
            chosen[row.name] = f"all together are over the budget of {limits.budget_bytes / 1e9:g} GB"
            total -= row.size_bytes - thin.get(row.name, 0)
    return chosen


def _below_floor(
    world: World,
    hero: str,
    limits: Limits,
    thin: dict[str, int],
    droppable: list[Checkpoint],
    gone: dict[str, str],
    free: int,
) -> dict[str, str]:
    """The oldest without which the volume has its free space; what also lies in a snapshot would free nothing."""
    if free >= limits.floor_bytes:
        return {}
    chosen = {}
    free += sum(_freed(world.heroes / hero / name) for name in gone)
    free += sum(size for name, size in thin.items() if name not in gone)
    for row in droppable:
        if free >= limits.floor_bytes:
            break
        freed = _freed(world.heroes / hero / row.name) - thin.get(row.name, 0)
        if row.name not in gone and freed > 0:
            chosen[row.name] = f"the disk has less than {limits.rules.floor_gb:g} GB free"
            free += freed
    return chosen


def _freed(folder: Path) -> int:
    """Bytes of what no other name holds; 0 where it has gone."""
    found = 0
    for path in folder.rglob("*"):
        with suppress(FileNotFoundError):
            info = path.lstat()
            found += info.st_size if S_ISREG(info.st_mode) and info.st_nlink == 1 else 0
    return found


def apply(
    world: World,
    config: RealmConfig,
    hero: str,
    *,
    by: str,
    loaded: Collection[str] = (),
    patient: bool = True,
    wait_seconds: float = 60.0,
) -> Applied:
    """Do what `plan`, made anew, says; what goes lies in the trash while that has room. Parameters are `plan`'s.

    Raises Refused where another process holds the treasury for `wait_seconds`, and as `plan` does.
    """
    with locked(world, seconds=wait_seconds):
        shelf = plan(world, config, hero, loaded=loaded, patient=patient)
        doomed = _not_loaded_since(world, hero, shelf.named(Fate.GOES))
        size = sum(book.size_bytes for book in shelf.books if book.name in doomed)
        entry = ""
        if doomed and shelf.free_bytes >= shelf.floor_bytes and size <= limits_of(config).trash_bytes:
            put = trash.put_away(world, hero, doomed, by=by, why="made room")
            gone, entry, size = list(put.names), put.entry, 0
        else:
            gone = trash.destroy(world, hero, doomed)
        thinned = _thin_all(world, hero, _not_loaded_since(world, hero, shelf.named(Fate.THINNED)))
    emptied = trim(world, config, by=by)
    trash.tell_deleted(world, hero, gone, by=by, why="made room", entry=entry)
    for name in thinned:
        chronicle.record(world, "thin", by=by, asset_id=checkpoint_id(hero, name))
    if gone:
        log.info("made room: %s", ", ".join(gone))
    freed = size + sum(book.size_bytes - book.after_bytes for book in shelf.books if book.name in thinned)
    return Applied(deleted=tuple(gone), thinned=tuple(thinned), entry=entry, freed_bytes=freed, emptied=emptied)


def _not_loaded_since(world: World, hero: str, names: list[str]) -> list[str]:
    """A host says before it loads; it takes no lock of ours."""
    held = served.held(world, hero) if names else set()
    return [name for name in names if name not in held]


def _thin_all(world: World, hero: str, names: list[str]) -> list[str]:
    """What was damaged or set aside since is passed over: it is for a person to look at."""
    done = []
    for name in names:
        try:
            moments.take_out(world.heroes / hero / name)
        except (DamagedCheckpoint, FileNotFoundError) as error:
            log.warning("not thinned: %s", error)
        else:
            done.append(name)
    damaged = index.index_checkpoints(world, hero, done) if done else {}
    return [name for name in done if name not in damaged]


def trim(world: World, config: RealmConfig, *, by: str) -> tuple[str, ...]:
    """Empty of the trash what is too old, too much, or room that the disk lacks; the entries that are gone for good."""
    limits, entries = limits_of(config), trash.list_trash(world)
    oldest = timezone.now() - timedelta(days=limits.rules.trash_days)
    doomed = {one.entry for one in entries if one.moment < oldest}
    total = sum(one.size_bytes for one in entries if one.entry not in doomed)
    volumes = {hero: _volume(world, hero) for hero in {one.hero for one in entries}}
    lacks = {volume: limits.floor_bytes - free_bytes(world, hero) for hero, volume in volumes.items()}
    for one in sorted(entries, key=lambda one: (one.by not in MACHINES, one.entry)):
        if one.entry not in doomed and (total > limits.trash_bytes or lacks[volumes[one.hero]] > 0):
            doomed.add(one.entry)
            total -= one.size_bytes
            lacks[volumes[one.hero]] -= one.size_bytes
    return trash.empty(world, by=by, entries=doomed).entries if doomed else ()


def sweep(world: World, hero: str) -> list[str]:
    """Delete what killed writers left in the hero's folder long ago; their names."""
    folder = world.heroes / hero
    if not folder.is_dir():
        return []
    return [path.name for path in durable.sweep_temps(folder, older_than_seconds=LEFTOVER_SECONDS)]
