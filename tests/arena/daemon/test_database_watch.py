"""A database that was deleted or replaced under the daemon ends it, and the next one fills what it finds."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from arena.daemon import database_rebuilt, restored_world
from arena.models import ChronicleEntry
from realm.databases import database
from realm.databases.watch import DatabaseGone, DatabaseWatch
from realm.world import World
from vault.archivist import restoring

MAGIC = b"SQLite format 3\0"


@pytest.fixture
def watch(world: World, monkeypatch: pytest.MonkeyPatch) -> DatabaseWatch:
    monkeypatch.setattr(database, "is_a_file_of", lambda world: True)
    world.database.write_bytes(MAGIC)
    made = DatabaseWatch(world)
    made.check()
    made.check()
    return made


def test_a_deleted_database_ends_the_daemon(world: World, watch: DatabaseWatch) -> None:
    world.database.unlink()
    with pytest.raises(DatabaseGone, match="is gone; the next start makes it anew"):
        watch.check()


def test_a_replaced_database_ends_the_daemon(world: World, watch: DatabaseWatch) -> None:
    other = world.database.with_name("other")
    other.write_bytes(MAGIC)
    os.rename(other, world.database)
    with pytest.raises(DatabaseGone, match="was replaced"):
        watch.check()


@pytest.mark.parametrize("rubbish", [b"", b"SQLite", b"\xff" * 99_999])
def test_an_overwritten_database_ends_the_daemon(world: World, watch: DatabaseWatch, rubbish: bytes) -> None:
    world.database.write_bytes(rubbish)
    with pytest.raises(DatabaseGone, match="was overwritten; the next start makes it anew"):
        watch.check()


def test_twin_without_the_file_it_began_with_a_replaced_one_is_not_noticed(world: World, watch: DatabaseWatch) -> None:
    other = world.database.with_name("other")
    other.write_bytes(MAGIC)
    os.rename(other, world.database)
    watch._handle = None
    watch.check()


ASKS_FOR_THE_LOCK = """
import sqlite3, sys
file = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
try:
    file.execute("BEGIN IMMEDIATE")
except sqlite3.OperationalError as error:
    print(error)
"""


def lock_of(path: Path) -> str:
    """What another process is told that would write while this one does."""
    asked = [sys.executable, "-c", ASKS_FOR_THE_LOCK, str(path)]
    return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.strip()


def test_looking_at_the_file_leaves_sqlites_locks_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin closes a handle of its own, as `with open(...)` does, and then two write at once."""
    monkeypatch.setattr(database, "is_a_file_of", lambda world: True)
    with closing(sqlite3.connect(world.database, isolation_level=None)) as writer:
        writer.execute("CREATE TABLE a (b)")
        writer.execute("BEGIN IMMEDIATE")
        watch = DatabaseWatch(world)
        watch.check()
        watch.check()
        assert lock_of(world.database) == "database is locked"
        world.database.open("rb").close()
        assert lock_of(world.database) == ""


@pytest.mark.django_db
def test_the_chronicle_tells_once_of_a_new_database(world: World) -> None:
    database_rebuilt.tell_of_new(world)
    assert not ChronicleEntry.objects.exists(), "a new world has no past"
    (world.battles / "b").mkdir()
    database_rebuilt.tell_of_new(world)
    database_rebuilt.tell_of_new(world)
    (entry,) = ChronicleEntry.objects.all()
    assert entry.kind == database_rebuilt.KIND
    assert entry.message.startswith("The database was gone; quests, battles")


@pytest.mark.django_db
def test_the_chronicle_tells_once_where_a_world_came_from(world: World) -> None:
    restored_world.tell_once(world)
    assert not ChronicleEntry.objects.exists(), "it never left"
    origin = restoring.Origin(snapshot="20261130-120000-daily", taken_at="x", restored_at="y", world="/old")
    (world.home / restoring.ORIGIN_FILE).write_text(json.dumps(asdict(origin)))
    restored_world.tell_once(world)
    restored_world.tell_once(world)
    (entry,) = ChronicleEntry.objects.all()
    assert entry.message.startswith("This world came back from the snapshot 20261130-120000-daily of /old")


@pytest.mark.django_db
def test_the_chronicle_names_the_damaged_file(world: World) -> None:
    (world.battles / "b").mkdir()
    for name in ("realm.sqlite3.damaged-20260101-000000", "realm.sqlite3.damaged-20260101-000000-wal"):
        (world.home / name).touch()
    database_rebuilt.tell_of_new(world)
    assert "lies aside as realm.sqlite3.damaged-20260101-000000;" in ChronicleEntry.objects.get().message
