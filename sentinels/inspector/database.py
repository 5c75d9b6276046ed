"""Whether the database is whole, of this release, and not swollen."""

from __future__ import annotations

from collections.abc import Iterator

from django.db import DatabaseError, connection

from realm.databases import database
from realm.world import World
from sentinels import vitals
from sentinels.inspector.finding import Finding, Patrolled, named, ok, trouble, warning

LARGE_WAL_BYTES = 256 * 10**6
_FAULTS = 10
_ANEW = "`scripts/start_all.sh` sets a damaged database aside and fills a new one from the files"


def look(patrolled: Patrolled) -> Iterator[Finding]:
    """A damaged page is found here, before the daemon meets it."""
    try:
        yield from _content(patrolled)
    except DatabaseError as error:
        yield trouble("database", f"it does not answer: {error}", _ANEW)
    yield from _files(patrolled.world)


def _content(patrolled: Patrolled) -> Iterator[Finding]:
    if newer := database.newer_migrations():
        sentence = f"it was changed by a newer release ({named(newer)})"
        yield trouble("database", sentence, "start this world with that release, or restore a snapshot of before")
        return
    if database.is_behind():
        yield trouble("database", "it is of an older release", "`scripts/start_all.sh` brings it up to date")
        return
    if sentence := vitals.database(patrolled.world):
        yield trouble("database", sentence, _ANEW)
        return
    yield _whole(deep=patrolled.deep) if connection.vendor == "sqlite" else _server()


def _whole(*, deep: bool) -> Finding:
    with connection.cursor() as cursor:
        cursor.execute(f"PRAGMA integrity_check({_FAULTS})" if deep else "PRAGMA quick_check(1)")
        found = [str(row[0]) for row in cursor.fetchall()]
    if found == ["ok"]:
        return ok("database", "whole")
    return trouble("database", f"damaged: {'; '.join(found)}", _ANEW)


def _server() -> Finding:
    with connection.cursor() as cursor:
        cursor.execute("SELECT version()")
        return ok("database", f"{' '.join(str(cursor.fetchone()[0]).split()[:2])} answers")


def _files(world: World) -> Iterator[Finding]:
    if not database.is_a_file_of(world):
        return
    log = world.database.with_name(f"{world.database.name}-wal")
    size = log.stat().st_size if log.exists() else 0
    if size > LARGE_WAL_BYTES:
        sentence = f"its log holds {size / 1e6:.0f} MB that were not written into the database yet"
        remedy = "a process keeps reading: `scripts/stop_all.sh`, then `scripts/start_all.sh`"
        yield warning("database log", sentence, remedy, path=log)
    if aside := database.newest_aside(world):
        sentence = f"{aside.name} was damaged and lies aside"
        remedy = f"what could be read again was; once nothing is missed: `rm {aside}*`"
        yield warning("damaged database", sentence, remedy, path=aside)
