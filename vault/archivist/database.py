"""A copy of the database as it is at one moment, while others write to it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import time
from contextlib import closing
from pathlib import Path

from django.apps import apps
from django.db import connection

from realm.world import World
from vault.errors import Damaged, Refused

DUMP_FILE = "database.pgdump"
DUMP_SECONDS = 3600.0
LOCKED_SECONDS = 60.0


def copy(world: World, home: Path) -> str:
    """The name of the copy in `home`, which is then whole by itself, without what lets somebody in.

    SQLite's online backup, or `pg_dump` in its custom format. Raises Refused, Damaged, OSError.
    """
    if connection.vendor == "postgresql":
        _dump(home / DUMP_FILE)
        return DUMP_FILE
    if connection.vendor != "sqlite":
        raise Refused(f"snapshots are taken of SQLite and PostgreSQL, and the settings name {connection.vendor}")
    _back_up(home / world.database.name)
    return world.database.name


def check(path: Path) -> None:
    """Every page of a copied SQLite file; nothing is written beside it. Raises Damaged."""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)) as file:
            (said,) = file.execute("PRAGMA integrity_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        raise Damaged(f"{path.name} is damaged: {error}") from error
    if said != "ok":
        raise Damaged(f"{path.name} is damaged: {said}")


def _back_up(target: Path) -> None:
    """By a connection of its own: one that writes cannot be copied through."""
    name = str(connection.settings_dict["NAME"])
    deadline = time.monotonic() + LOCKED_SECONDS

    def check_time(status: int, remaining: int, total: int) -> None:
        if time.monotonic() > deadline:
            raise Refused(f"the database was locked for {LOCKED_SECONDS:.0f} s by somebody who writes; try again later")

    try:
        with (
            closing(sqlite3.connect(name, uri=name.startswith("file:"), timeout=LOCKED_SECONDS)) as live,
            closing(sqlite3.connect(target)) as copied,
        ):
            live.backup(copied, progress=check_time)
            copied.execute("PRAGMA journal_mode=DELETE")  # one plain file, which needs nothing beside it
            _take_keys_away(copied)
    except sqlite3.DatabaseError as error:
        raise Damaged(f"the database cannot be copied: {error}; the next start of the arena sees to it") from error


def _take_keys_away(copied: sqlite3.Connection) -> None:
    copied.execute("PRAGMA secure_delete=ON")  # nothing of them stays in free pages
    there = {name for (name,) in copied.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    for table in there.intersection(_tables_of_keys()):
        copied.execute(f'DELETE FROM "{table}"')
    copied.commit()


def _tables_of_keys() -> list[str]:
    """Of models that say themselves that their rows let somebody in.

    Whoever holds a copy would be let in, and a session that has been ended would live again with an old copy.
    """
    return [model._meta.db_table for model in apps.get_models() if getattr(model, "lets_in", False)]


def _dump(target: Path) -> None:
    # As Django would start psql: how to reach the server as arguments, what is secret in the environment.
    (_, *places), secrets = connection.client.settings_to_cmd_args_env(connection.settings_dict, [])
    without = [f"--exclude-table-data={table}" for table in _tables_of_keys()]
    try:
        done = subprocess.run(
            ["pg_dump", "-Fc", "-w", "-f", str(target), *without, *places],
            env=os.environ | (secrets or {}), capture_output=True, text=True, errors="replace", timeout=DUMP_SECONDS,
        )  # fmt: skip
    except FileNotFoundError:
        raise Refused("pg_dump is not installed; it comes with PostgreSQL's client programs") from None
    except subprocess.TimeoutExpired:
        raise Refused(f"pg_dump did not end within {DUMP_SECONDS:.0f} s") from None
    if done.returncode:
        raise Refused(f"pg_dump failed: {done.stderr.strip()[-500:]}")
