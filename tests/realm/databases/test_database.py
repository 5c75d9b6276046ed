"""A database file that nothing can be read from is set aside; one that is merely busy, or another's, never is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from django.core.management import CommandError
from django.db import DEFAULT_DB_ALIAS, OperationalError
from django.db.backends.signals import connection_created
from django.db.utils import ConnectionHandler
from pytest_django import DjangoDbBlocker

from realm.databases import database
from realm.databases import private as private_database
from realm.world import World

MAGIC = b"SQLite format 3\0"


def fill(path: Path) -> None:
    with closing(sqlite3.connect(path)) as file:
        file.execute("CREATE TABLE t (x)")
        file.executemany("INSERT INTO t VALUES (?)", [("word " * 100,)] * 200)
        file.commit()


@pytest.fixture
def migrated(world: World, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A world whose database is the file in it."""
    fake: Any = SimpleNamespace(vendor="sqlite", settings_dict={"NAME": world.database}, close=lambda: None)
    monkeypatch.setattr(database, "connection", fake)
    told: list[str] = []
    monkeypatch.setattr(database, "migrate_if_needed", lambda: told.append("migrated"))
    return told


def test_a_connection_is_kept_until_something_goes_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker
) -> None:
    backend = {"ENGINE": "django.db.backends.sqlite3", "NAME": tmp_path / "some.sqlite3"}
    opened = ConnectionHandler({DEFAULT_DB_ALIAS: backend})[DEFAULT_DB_ALIAS]
    monkeypatch.setattr(database, "connection", opened)
    with django_db_blocker.unblock():
        opened.connect()
        database.close_if_broken()
        assert opened.connection is not None
        with pytest.raises(OperationalError):
            opened.cursor().execute("SELECT * FROM nothing")
        database.close_if_broken()
        assert opened.connection is None


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_a_database_is_its_owners_alone(tmp_path: Path, umask: int) -> None:
    """Others on this machine would read sessions in it, and log in by them."""
    path = tmp_path / "realm.sqlite3"
    for each in private_database.FILES:
        Path(f"{path}{each}").touch(0o666 & ~umask)
    for name in (path, tmp_path / "not there", ":memory:"):
        opened: Any = SimpleNamespace(vendor="sqlite", settings_dict={"NAME": name})
        private_database.keep_private(connection=opened)
    assert {each.stat().st_mode & 0o777 for each in tmp_path.iterdir()} == {0o600}


def test_each_connection_of_the_realms_sees_to_it() -> None:
    assert private_database.keep_private in [receiver() for _, receiver, *_ in connection_created.receivers]


RUBBISH = [b"rubbish " * 1000, b"\0" * 8192, MAGIC + b"\xff" * 8192, "cut", "overwritten"]


def damage(path: Path, rubbish: Any) -> None:
    whole = path.read_bytes()
    if rubbish == "cut":
        path.write_bytes(whole[: len(whole) // 2])
    elif rubbish == "overwritten":
        path.write_bytes(whole[:4096] + b"\xff" * (len(whole) - 4096))
    else:
        path.write_bytes(rubbish)


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_a_damaged_database_lies_aside(world: World, migrated: list[str], rubbish: Any) -> None:
    fill(world.database)
    damage(world.database, rubbish)
    lay = world.database.read_bytes()
    Path(f"{world.database}-wal").write_bytes(b"")
    assert database.damage(world.database)
    database.make_ready(world)
    aside = database.newest_aside(world)
    assert aside is not None
    assert aside.name.startswith("realm.sqlite3.damaged-")
    assert aside.read_bytes() == lay
    assert not world.database.exists()
    assert not Path(f"{world.database}-wal").exists()
    assert migrated == ["migrated"]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_twin_without_the_look_it_stays_where_it_is(
    world: World, migrated: list[str], monkeypatch: pytest.MonkeyPatch, rubbish: Any
) -> None:
    fill(world.database)
    damage(world.database, rubbish)
    monkeypatch.setattr(database, "damage", lambda path: "")
    database.make_ready(world)
    assert world.database.exists()


def test_what_is_whole_or_gone_or_empty_stays(world: World, migrated: list[str]) -> None:
    database.make_ready(world)
    world.database.touch()
    database.make_ready(world)
    fill(world.database)
    database.make_ready(world)
    assert world.database.exists()
    assert database.newest_aside(world) is None


def test_a_database_that_is_locked_is_not_damaged(world: World, migrated: list[str]) -> None:
    fill(world.database)
    with closing(sqlite3.connect(world.database)) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        real = sqlite3.connect

        def hasty(*arguments: Any, **options: Any) -> sqlite3.Connection:
            return real(*arguments, **options, timeout=0)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sqlite3, "connect", hasty)
            assert database.damage(world.database) == ""


def test_a_server_of_the_settings_is_left_alone(world: World, migrated: list[str]) -> None:
    world.database.write_bytes(b"rubbish " * 1000)
    database.connection.settings_dict["NAME"] = "realm"
    database.make_ready(world)
    assert world.database.exists()


def migrating(monkeypatch: pytest.MonkeyPatch, *, applied: dict[tuple[str, str], object]) -> list[str]:
    """Which commands bring a database up to date in which these migrations were applied."""
    ran: list[str] = []
    monkeypatch.setattr(database, "is_behind", lambda: True)
    monkeypatch.setattr(database, "MigrationRecorder", lambda c: SimpleNamespace(applied_migrations=lambda: applied))
    monkeypatch.setattr(database, "call_command", lambda *words, **options: ran.append(" ".join(words)))
    database.migrate_if_needed()
    return ran


def test_what_a_database_holds_is_copied_before_it_is_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    ran = migrating(monkeypatch, applied={("vault", "0001_initial"): None})
    assert ran == ["vault snapshot --reason before-migration --database-only", "migrate"]
    assert migrating(monkeypatch, applied={}) == ["migrate"]


def test_a_database_that_cannot_be_copied_is_not_migrated(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*words: str, **options: Any) -> None:
        assert words[0] == "vault"
        raise CommandError("no snapshot: the disk is full")

    monkeypatch.setattr(database, "is_behind", lambda: True)
    monkeypatch.setattr(database, "MigrationRecorder", lambda c: SimpleNamespace(applied_migrations=lambda: {1: 2}))
    monkeypatch.setattr(database, "call_command", refuse)
    with pytest.raises(CommandError, match="the disk is full"):
        database.migrate_if_needed()
