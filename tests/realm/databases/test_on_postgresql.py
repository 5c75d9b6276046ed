"""What holds of a world whose database is a PostgreSQL server, and of its Redis server."""

from __future__ import annotations

import asyncio
import os
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import DataError, connection, transaction
from django.db.backends.signals import connection_created
from pytest_django import Settings

from arena import chronicle
from arena.models import ChronicleEntry
from realm import bell, channel_layer
from realm.databases import database, postgresql_text
from realm.world import World
from tests.support.database_servers import REDIS_VARIABLE
from vault.archivist import database as copies

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def fresh_connection() -> Iterator[None]:
    """One that is opened anew, as a process's first."""
    connection.close()
    yield
    connection.close()


def say(message: str, number: int = 1, **data: Any) -> ChronicleEntry:
    return ChronicleEntry.objects.create(
        source="test", source_seq=number, kind="x", time=datetime.now(UTC), message=message, data=data
    )


def test_text_that_it_does_not_know_is_kept_in_other_words(fresh_connection: None) -> None:
    entry = say("a\0b", said="\0", half="\ud800", whole="😀", written="\\u0000")
    entry.refresh_from_db()
    assert entry.message == "a\ufffdb"
    assert entry.data == {"said": "\ufffd", "half": "\ufffd", "whole": "😀", "written": "\\u0000"}
    assert not ChronicleEntry.objects.filter(kind="\0").exists()


@pytest.mark.parametrize("where", [{"message": "\0"}, {"message": "", "said": "\0"}])
def test_twin_without_the_replacement_it_is_refused(where: dict[str, str], fresh_connection: None) -> None:
    connection_created.disconnect(postgresql_text.register)
    try:
        with pytest.raises(DataError):
            say(**where)
    finally:
        connection_created.connect(postgresql_text.register)


def followed_while_two_write() -> list[int]:
    """Ids that a follower takes in when the writer of the first entry commits after that of the second."""
    seen: list[int] = []
    wrote, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with transaction.atomic():
            say("first", 1)
            wrote.set()
            go_on.wait(20)
        connection.close()

    def quick() -> None:
        say("second", 2)
        connection.close()

    def look() -> None:
        seen.extend(
            ChronicleEntry.objects.filter(id__gt=max(seen, default=0)).order_by("id").values_list("id", flat=True)
        )

    first, second = threading.Thread(target=slow), threading.Thread(target=quick)
    first.start()
    wrote.wait(20)
    second.start()
    second.join(0.3)
    look()
    go_on.set()
    first.join()
    second.join()
    look()
    return seen


def test_who_follows_ids_misses_none() -> None:
    assert followed_while_two_write() == list(ChronicleEntry.objects.values_list("id", flat=True))


def test_twin_without_turns_an_entry_is_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "take_turn", lambda of: None)
    assert len(followed_while_two_write()) == 1
    assert ChronicleEntry.objects.count() == 2


def test_a_snapshot_is_a_dump_that_comes_back(world: World) -> None:
    say("kept")
    name = copies.copy(world, world.home)
    listed = subprocess.run(["pg_restore", "-l", world.home / name], capture_output=True, text=True, check=True).stdout
    assert "TABLE DATA public arena_chronicleentry" in listed
    rows = ["pg_restore", "-a", "-t", "arena_chronicleentry", "-f", "-", world.home / name]
    assert "kept" in subprocess.run(rows, capture_output=True, text=True, check=True).stdout


def test_the_password_of_a_dump_is_no_argument(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[Any] = []

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        ran.append((command, options["env"]))
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", run)
    monkeypatch.setitem(connection.settings_dict, "PASSWORD", "hunter2")
    copies.copy(world, world.home)
    ((command, environment),) = ran
    assert "hunter2" not in " ".join(command)
    assert environment["PGPASSWORD"] == "hunter2"


async def test_what_is_told_rings_those_who_listen(settings: Settings) -> None:
    """Without the bell the ear hears nothing within these seconds; with it, at once."""
    ear = listening(settings)
    ear.open()
    try:
        for number in range(50):  # until it has joined
            await asyncio.to_thread(_say_and_close, number)
            if await ear.wait(0.2):
                break
        else:
            pytest.fail("nobody rang")
    finally:
        await ear.close()


async def test_twin_without_a_ring_an_ear_hears_nothing(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bell, "ring_on_commit", lambda: None)
    ear = listening(settings)
    ear.open()
    try:
        for number in range(3):
            await asyncio.to_thread(_say_and_close, number)
            assert not await ear.wait(0.2)
    finally:
        await ear.close()


async def test_where_redis_is_away_an_ear_only_waits(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(REDIS_VARIABLE, "unix:///nowhere/socket")
    ear = listening(settings)
    ear.open()
    assert not await ear.wait(0.1)
    await asyncio.to_thread(_say_and_close, 1)
    await ear.close()


def listening(settings: Settings) -> bell.Ear:
    layer = channel_layer.settings_of(os.environ[REDIS_VARIABLE], secret_key="test")
    settings.CHANNEL_LAYERS = {"default": layer}
    return bell.Ear()


def _say_and_close(number: int) -> None:
    chronicle.say("x", str(number))
    connection.close()
