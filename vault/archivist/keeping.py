"""Which snapshots stay, and the deleting of the others."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from datetime import datetime

from realm.disk import durable, locks
from realm.disk.durable import TEMP_PREFIX
from realm.world import World
from vault.archivist.rules import Rules
from vault.archivist.snapshots import DAILY, LOCK_FILE, RISKY_PREFIX, Snapshot, list_snapshots


def prune(world: World, rules: Rules) -> list[str]:
    """Delete the snapshots that no rule keeps, and, where less than the floor is free, the oldest daily ones until it
    is; the newest of all that are sound stays. Returns their names."""
    with locks.held(world.vault / LOCK_FILE):
        sound = [one for one in list_snapshots(world) if not one.trouble]
        doomed = doomed_by_rules(sound, rules)
        for one in doomed:
            _delete(one)
        daily = [one for one in sound[1:] if one.reason == DAILY and one not in doomed]
        while daily and shutil.disk_usage(world.backups).free < rules.floor_bytes:
            doomed.append(daily.pop())
            _delete(doomed[-1])
        return [one.name for one in doomed]


def doomed_by_rules(sound: list[Snapshot], rules: Rules) -> list[Snapshot]:
    """Of sound snapshots, newest first, those that no rule keeps. Others are left to who took them."""
    daily = [one for one in sound if one.reason == DAILY]
    risky = [one for one in sound if one.reason.startswith(RISKY_PREFIX)]
    weekly = _newest_of_weeks(daily[rules.keep_daily :])[: rules.keep_weekly]
    kept = {one.name for one in (*sound[:1], *daily[: rules.keep_daily], *weekly, *risky[: rules.keep_risky])}
    return [one for one in (*daily, *risky) if one.name not in kept]


def _newest_of_weeks(found: Iterable[Snapshot]) -> list[Snapshot]:
    weeks: dict[tuple[int, int], Snapshot] = {}
    for one in found:
        weeks.setdefault(_week(one.created_at), one)
    return list(weeks.values())


def _week(moment: datetime | None) -> tuple[int, int]:
    year, week, _ = (moment or datetime.min).isocalendar()
    return year, week


def _delete(one: Snapshot) -> None:
    """Renamed first, so that a kill half-way leaves no half snapshot under its name; the next one sweeps the rest."""
    doomed = one.path.with_name(f"{TEMP_PREFIX}doomed-{one.name}")
    os.rename(one.path, doomed)
    durable.sync_folder(one.path.parent)
    shutil.rmtree(doomed)
