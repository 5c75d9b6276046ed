"""A question that found nothing is asked again as soon as anybody has written, and not before."""

import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.db import connection
from django.db.backends.sqlite3.base import DatabaseWrapper
from pytest_django import DjangoDbBlocker

from realm.databases import changes
from realm.databases.changes import Nothing


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "realm.sqlite3"


@pytest.fixture
def here(path: Path, monkeypatch: pytest.MonkeyPatch, django_db_blocker: DjangoDbBlocker) -> Iterator[DatabaseWrapper]:
    """A thread's own connection to a file with one table."""
    own = DatabaseWrapper(connection.settings_dict | {"NAME": path}, alias="own")
    monkeypatch.setattr(changes, "connection", own)
    with django_db_blocker.unblock():
        own.ensure_connection()
        own.connection.execute("CREATE TABLE job (name TEXT)")
        yield own
        own.close()


class Asked:
    def __init__(self, here: DatabaseWrapper) -> None:
        self._here = here
        self.times = 0

    def __call__(self) -> list[str]:
        self.times += 1
        self._here.ensure_connection()
        return [name for (name,) in self._here.connection.execute("SELECT name FROM job")]


def written_elsewhere(path: Path, here: DatabaseWrapper) -> None:
    with sqlite3.connect(path, isolation_level=None) as other:
        other.execute("INSERT INTO job VALUES ('elsewhere')")
    other.close()


def written_here(path: Path, here: DatabaseWrapper) -> None:
    here.connection.execute("INSERT INTO job VALUES ('here')")


def written_while_closed(path: Path, here: DatabaseWrapper) -> None:
    """The count of a connection that is opened anew begins anew."""
    here.close()
    written_elsewhere(path, here)


WRITERS = (written_elsewhere, written_here, written_while_closed)


def seen(here: DatabaseWrapper, path: Path, write: Callable[[Path, DatabaseWrapper], None]) -> list[str]:
    nothing, asked = Nothing(), Asked(here)
    for _ in range(3):
        assert nothing.unless_changed("jobs", asked) == []
    assert asked.times == 1
    write(path, here)
    return nothing.unless_changed("jobs", asked)


@pytest.mark.parametrize("write", WRITERS)
def test_what_anybody_writes_is_seen_at_once(
    here: DatabaseWrapper, path: Path, write: Callable[[Path, DatabaseWrapper], None]
) -> None:
    assert len(seen(here, path, write)) == 1


@pytest.mark.parametrize("write", WRITERS)
def test_twin_where_the_database_says_the_same_for_ever_nothing_is_seen(
    here: DatabaseWrapper,
    path: Path,
    write: Callable[[Path, DatabaseWrapper], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(changes, "state", lambda: (1,))
    assert seen(here, path, write) == []


def test_what_was_found_is_asked_each_time(here: DatabaseWrapper, path: Path) -> None:
    written_here(path, here)
    nothing, asked = Nothing(), Asked(here)
    for _ in range(3):
        assert nothing.unless_changed("jobs", asked) == ["here"]
    assert asked.times == 3


def test_a_server_is_asked_each_time(here: DatabaseWrapper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here, "vendor", "postgresql")
    nothing, asked = Nothing(), Asked(here)
    for _ in range(3):
        nothing.unless_changed("jobs", asked)
    assert asked.times == 3
