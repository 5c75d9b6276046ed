"""What the database tells, by its indexes alone: a scrape costs the same in a world of years."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Count, Sum
from prometheus_client.metrics_core import Metric

from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import EventKind
from guild.models import SkillProgress
from realm.branch_rows import branches_of
from realm.config import RealmConfig
from realm.world import World
from realm.xp_and_gold import GOLD_PER_QUEST, level_at
from vault.models import Checkpoint, Job
from watchtower import selectors
from watchtower.hero import living_steps
from watchtower.prometheus.families import by_label, counter, counters_by_label, gauge
from watchtower.scores import newest_scores

PATIENCE_MILLISECONDS = 1000
"""Who scrapes comes again soon, and waits for no lock as long as a page does."""
COUNTED_SECONDS = 30.0
"""Checkpoints are counted anew after so long."""
MOST_SETS, MOST_SKILLS = 20, 50
_FAULTS = ("non_finite", "divergence", "out_of_memory")
_OTHER = "other"


def figures(world: World, config: RealmConfig) -> Iterator[Metric]:
    """Raises DatabaseError where it does not answer."""
    with _impatient():
        yield from _hero(world, config.hero)
        yield from _arena(config.hero)
        yield from _long_lists(world, config.hero)


def _hero(world: World, hero: str) -> Iterator[Metric]:
    steps = living_steps(world, hero)
    completed = selectors.quests_completed(hero)
    yield gauge("realm_hero_level", "Level of the active hero.", None if steps is None else level_at(steps))
    yield counter("realm_hero_steps", "Training steps of the hero's life, which are its XP.", steps)
    yield counter("realm_hero_quests_completed", "Quests that the hero has completed.", completed)
    yield gauge("realm_hero_gold", "Gold of the active hero.", completed * GOLD_PER_QUEST)
    branch = branches_of(hero).active
    skills = SkillProgress.objects.filter(hero=hero, branch=branch).order_by("skill")[:MOST_SKILLS]
    levels = {row.skill: float(row.level) for row in skills}
    yield by_label("realm_skill_level", "Level on which the hero works in a skill.", "skill", levels)


def _arena(hero: str) -> Iterator[Metric]:
    quests = _counted(Quest.objects, "state", Quest.State.values)
    yield by_label("realm_quests", "Quests by state.", "state", quests)
    battles = _counted(Battle.objects, "state", Battle.State.values)
    yield by_label("realm_battles", "Battles by state.", "state", battles)
    lanes = Quest.objects.filter(state=Quest.State.QUEUED)
    waiting = _counted(lanes, "priority", Quest.Priority.values)
    yield by_label("realm_queue", "Quests that wait to be fought, by priority.", "priority", waiting)
    facts = selectors.current_battle(hero)
    yield gauge("realm_battle_steps_planned", "Steps of the quest that is fought.", facts.total if facts else None)
    scores = newest_scores(facts.battle)[:MOST_SETS] if facts else []
    losses: dict[str, float | None] = {score.name: score.loss for score in scores}
    yield by_label("realm_validation_loss", "Of the last validation, by set of rows.", "set", losses)
    yield counters_by_label("realm_faults", "Faults that training met, by kind.", "kind", _faults())
    kinds = ChronicleEntry.objects.filter(kind="skill_level_up")
    yield counter("realm_skill_levels_won", "Levels of skills that were won.", kinds.count())
    jobs = _counted(Job.objects, "state", Job.State.values)
    yield by_label("realm_vault_jobs", "Jobs of the vault by state.", "state", jobs)


def _long_lists(world: World, hero: str) -> Iterator[Metric]:
    told = _count(world, hero, int(time.time() // COUNTED_SECONDS))
    yield gauge("realm_checkpoints", "Checkpoints of the hero in the ledger.", told.checkpoints)
    yield gauge("realm_checkpoints_bytes", "What they take on the disk.", told.size_bytes)
    yield counter("realm_checkpoints_saved", "Checkpoints that training has saved.", told.saved)


@dataclass(frozen=True)
class _Counts:
    checkpoints: int
    size_bytes: int
    saved: int


@lru_cache(maxsize=4)
def _count(world: World, hero: str, moment: int) -> _Counts:
    """Of a hundred thousand rows even an index takes a few milliseconds."""
    told = Checkpoint.objects.filter(hero=hero).aggregate(count=Count("pk"), size=Sum("size_bytes"))
    saved = ChronicleEntry.objects.filter(kind=EventKind.CHECKPOINT_SAVED).count()
    return _Counts(told["count"], told["size"] or 0, saved)


def _faults() -> dict[str, float]:
    """Known kinds from 0 on, so that a first fault is a step of the counter."""
    found: dict[str, float] = dict.fromkeys((*_FAULTS, _OTHER), 0.0)
    rows = ChronicleEntry.objects.filter(kind=EventKind.FAULT).order_by()
    for kind, count in rows.values_list("data__fault").annotate(Count("pk")):
        found[kind if kind in _FAULTS else _OTHER] += count
    return found


def _counted(rows: Any, field: str, known: list[str]) -> Mapping[str, float | None]:
    """With a 0 for each known value that none has."""
    counts = dict(rows.order_by().values_list(field).annotate(Count("pk")))
    return {value: float(counts.get(value, 0)) for value in known}


@contextmanager
def _impatient() -> Iterator[None]:
    """Of SQLite, which else waits for a lock for as long as a page may."""
    if connection.vendor != "sqlite":
        yield
        return
    if connection.connection is None:
        knock(Path(connection.settings_dict["NAME"]))
    usual = int(1000 * connection.settings_dict["OPTIONS"].get("timeout", 5))
    _set_patience(PATIENCE_MILLISECONDS)
    try:
        yield
    finally:
        _set_patience(usual)


def knock(database: Path) -> None:
    """Raises sqlite3.Error where a file does not answer soon: opening it as pages do would wait for long."""
    uri = f"{database.absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE_MILLISECONDS / 1000)) as asked:
        asked.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone()


def _set_patience(milliseconds: int) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA busy_timeout = {milliseconds}")
