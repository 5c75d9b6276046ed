"""The world's database file: whole, with all its tables, or set aside for a new one, which the arena fills again."""

from __future__ import annotations

import io
import logging
import os
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from django.core.management import call_command
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.recorder import MigrationRecorder

from realm.world import World

log = logging.getLogger(__name__)

ASIDE = ".damaged-"
_BESIDE = ("", "-wal", "-shm")
_DAMAGED = frozenset({sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CORRUPT})


def make_ready(world: World) -> None:
    """Only while nobody else writes to it. Raises OSError, DatabaseError where the disk or a lock forbids it."""
    if is_a_file_of(world) and (why := damage(world.database)):
        aside = _set_aside(world.database)
        log.error("%s is damaged (%s) and lies aside as %s", world.database.name, why, aside.name)
    migrate_if_needed()


def migrate_if_needed() -> None:
    """Migrate, but spend no time on it when the database is up to date, as at most starts.

    A database that holds something is copied to `backups/` first. Raises CommandError where it cannot be.
    """
    if is_behind():
        if MigrationRecorder(connection).applied_migrations():
            call_command("vault", "snapshot", "--reason", "before-migration", "--database-only", stdout=io.StringIO())
        call_command("migrate", interactive=False, verbosity=0)


def is_behind() -> bool:
    """Whether migrations are to be applied. Raises DatabaseError."""
    executor = MigrationExecutor(connection)
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


def newer_migrations() -> list[str]:
    """Migrations of this release's apps that were applied and that it does not have. Raises DatabaseError."""
    loader = MigrationExecutor(connection).loader
    ours, known = loader.migrated_apps, loader.disk_migrations
    return sorted(
        f"{app}.{name}" for app, name in loader.applied_migrations if app in ours and (app, name) not in known
    )


def take_turn(of: str) -> None:
    """Wait for the transaction under way, in whichever process, that took the same turn; it ends with this one's.

    SQLite has one writer at a time anyway. Others number rows before they commit them, in any order.
    """
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [of])


def close_if_broken() -> None:
    """The connection of a thread that looks every so often: it is kept between looks, since most of them find nothing
    and opening one costs more than they do."""
    if connection.errors_occurred:
        connection.close()


def is_a_file_of(world: World) -> bool:
    """Rather than a server that the settings name."""
    return connection.vendor == "sqlite" and Path(connection.settings_dict["NAME"]) == world.database


def damage(path: Path) -> str:
    """Why nothing can be read from it any more; empty of a whole file, of none, and of one that is only locked."""
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True)) as file:
            (said,) = file.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error) if getattr(error, "sqlite_errorcode", 0) & 0xFF in _DAMAGED else ""
    return "" if said == "ok" else str(said)


def newest_aside(world: World) -> Path | None:
    """The damaged file that was set aside last."""
    found = (path for path in world.home.glob(f"{world.database.name}{ASIDE}*") if not path.name.endswith(_BESIDE[1:]))
    return max(found, default=None)


def _set_aside(path: Path) -> Path:
    connection.close()
    aside = path.with_name(f"{path.name}{ASIDE}{time.strftime('%Y%m%d-%H%M%S')}")
    for beside in _BESIDE:
        if os.path.lexists(f"{path}{beside}"):
            os.rename(f"{path}{beside}", f"{aside}{beside}")
    return aside
