import time

import pytest
from django.db import DatabaseError
from django.test import Client

from realm.version import version
from realm.world import World
from sentinels import views
from tests.watchtower.factories import daemon_lock, say_status

pytestmark = pytest.mark.django_db


def test_all_well(client: Client, world: World) -> None:
    say_status(world, "idle")
    with daemon_lock(world):
        answer = client.get("/health", headers={"host": "localhost"})
    assert answer.status_code == 200
    told = answer.json()
    assert (told["status"], told["database"], told["version"]) == ("healthy", True, version())
    assert (told["arena"]["alive"], told["arena"]["state"]) == (True, "idle")
    assert told["disk_free_bytes"] > 0


def test_a_dead_arena_degrades_and_the_web_still_says_200(client: Client, world: World) -> None:
    say_status(world, "training")
    answer = client.get("/health", headers={"host": "localhost"})
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")
    assert answer.json()["arena"]["state"] == "offline"


def test_a_silent_arena_degrades(client: Client, world: World) -> None:
    say_status(world, at=time.time() - 60)
    with daemon_lock(world):
        told = client.get("/health", headers={"host": "localhost"}).json()
    assert told["status"] == "degraded"
    assert told["arena"]["age_s"] >= 60


def test_an_unreachable_database_degrades(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("disk I/O error")

    monkeypatch.setattr(views.connection, "cursor", refuse)
    answer = client.get("/health", headers={"host": "localhost"})
    assert (answer.status_code, answer.json()["database"], answer.json()["status"]) == (200, False, "degraded")


def test_it_names_no_folder(client: Client, world: World) -> None:
    assert str(world.home) not in client.get("/health", headers={"host": "localhost"}).content.decode()


def test_it_only_reads(client: Client, world: World) -> None:
    assert client.post("/health", headers={"host": "localhost"}).status_code == 405
