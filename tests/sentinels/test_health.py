import json
import math
import re
import time
from typing import Any

import pytest
from django.db import DatabaseError
from django.test import Client

from arena.models import Quest
from arena.status import read_status
from guild.tasks.master import STATUS_FILE
from guild.tasks.only_master import only_master as master_lock
from realm.config import RealmConfig
from realm.health import HEALTHY
from realm.version import version
from realm.weaver.guarded import STATUS_FILE as STATUS_OF_GUARDED
from realm.world import World
from sentinels import vitals
from sentinels.inspector.finding import ok, warning
from sentinels.inspector.report import write_report
from tests.watchtower.factories import daemon_lock, say_status
from vault.jobs import status as vault_status
from vault.jobs.status import only_vault

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


def health(client: Client) -> Any:
    return client.get("/health", headers={"host": "localhost"}).json()


def said_of(told: Any, organ: str) -> str:
    return next((trouble["said"] for trouble in told["troubles"] if trouble["organ"] == organ), "")


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"waits": True, "message": "the disk is full"}, "the disk is full"),
        ({"message": "three forged quests failed"}, "three forged quests failed"),
        ({"waits": True}, "it waits"),
        ({"at": -11.0}, "its daemon has been silent for 11 s"),
        ({"at": 3600.0}, "its daemon spoke last in the future: the clock was set back"),
        ({"at": "soon"}, "its daemon has said nothing yet"),
        ({"at": True}, "its daemon has said nothing yet"),
    ],
)
def test_an_arena_that_lives_and_is_in_trouble_degrades(
    client: Client, world: World, status: dict[str, Any], said: str
) -> None:
    at = status.pop("at", 0.0)
    say_status(world, at=time.time() + at if type(at) is float else at, **status)
    with daemon_lock(world):
        told = health(client)
    assert (told["status"], said_of(told, "arena")) == ("degraded", said)


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\0" * 99, b"[]", b"null", b'{"time": "x"', b"[" * 99_999, b'{"state": 1, "message": []}', b'{"time": NaN}'],
)
def test_rubbish_in_the_status_is_no_heartbeat(client: Client, world: World, rubbish: bytes) -> None:
    world.arena_status.write_bytes(rubbish)
    with daemon_lock(world):
        told = health(client)
    assert (told["status"], told["arena"]["alive"], told["arena"]["age_s"]) == ("degraded", True, None)


def test_a_status_folder_that_is_gone_is_told(client: Client, world: World) -> None:
    world.status.rmdir()
    with daemon_lock(world):
        assert said_of(health(client), "arena") == "its daemon has said nothing yet"


def test_the_other_services_are_looked_at_where_a_supervisord_keeps_them(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    say_status(world, "idle")
    with daemon_lock(world):
        assert health(client)["status"] == HEALTHY
        monkeypatch.setenv("REALM_SERVICE", "tavern")
        monkeypatch.setattr("sentinels.vitals.oracle", lambda world, config: "")
        monkeypatch.setattr("sentinels.vitals._BEGAN", time.monotonic())
        assert said_of(health(client), "taskmaster") == "", "it is still on its way"
        monkeypatch.setattr("sentinels.vitals._BEGAN", -math.inf)
        told = health(client)
        assert said_of(told, "weaver").startswith("supervisord is gone")
        assert said_of(told, "taskmaster") == "the Task Master is not running"
        assert said_of(told, "vault").startswith("its process does not run")
        guarded = world.status / STATUS_OF_GUARDED
        for state, is_told in (("starting", False), ("up", True)):
            guarded.write_text(json.dumps({"time": time.time(), "services": {"vault": {"state": state}}}))
            assert bool(said_of(health(client), "vault")) is is_told, "a slow machine's vault has its time"
        with only_vault(world):
            assert said_of(health(client), "vault") == "it has said nothing yet"
            vault_status.write(world, address="http://127.0.0.1:8767")
            assert said_of(health(client), "vault") == ""
        with master_lock(world):
            assert said_of(health(client), "taskmaster") == "it has said nothing yet"
            path = world.status / STATUS_FILE
            path.write_text(json.dumps({"time": time.time() - 45}))
            assert said_of(health(client), "taskmaster") == "it has been silent for 45 s"
            path.write_text(json.dumps({"time": time.time()}))
            assert said_of(health(client), "taskmaster") == ""


def test_a_database_without_its_tables_degrades(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("no such table: arena_quest")

    monkeypatch.setattr(Quest.objects, "exists", refuse)
    told = health(client)
    assert (told["database"], told["status"]) == (False, "degraded")
    assert said_of(told, "database") == "it does not answer: no such table: arena_quest"


def test_it_names_itself_and_its_world(client: Client, world: World) -> None:
    told = health(client)
    assert (told["service"], told["world"]) == ("tavern", str(world.home))


def test_it_only_reads(client: Client, world: World) -> None:
    assert client.post("/health", headers={"host": "localhost"}).status_code == 405


def test_each_thing_that_was_looked_at_is_a_check(client: Client, world: World) -> None:
    say_status(world, "idle")
    with daemon_lock(world):
        checks = health(client)["checks"]
        assert {name: check["status"] for name, check in checks.items() if name != "redis"} == dict.fromkeys(
            ("database", "arena", "gpus", "disk"), "pass"
        )
        write_report(world, [warning("clock", "it was set back"), ok("disk", "room")])
        told = health(client)
        assert told["checks"]["patrol"] == {"status": "warn", "output": "clock: it was set back"}
        assert told["status"] == HEALTHY, "a patrol may be of some minutes ago"
    assert health(client)["checks"]["arena"] == {"status": "fail", "output": "its daemon does not run"}


def test_the_process_turns_without_a_database(client: Client, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise DatabaseError("no such table: arena_quest")

    assert client.get("/readyz", headers={"host": "localhost"}).json() == {"status": "pass"}
    monkeypatch.setattr(Quest.objects, "exists", refuse)
    assert client.get("/livez", headers={"host": "localhost"}).json() == {"status": "pass"}
    answer = client.get("/readyz", headers={"host": "localhost"})
    assert (answer.status_code, answer.json()["status"]) == (503, "fail")
    assert "no such table" in answer.json()["output"]


@pytest.mark.parametrize("of", ["newer_migrations", "is_behind"])
def test_a_database_of_another_release_is_not_ready(
    client: Client, world: World, monkeypatch: pytest.MonkeyPatch, of: str
) -> None:
    monkeypatch.setattr(f"sentinels.health.{of}", lambda: ["arena.9999_new"])
    assert client.get("/readyz", headers={"host": "localhost"}).status_code == 503


def test_a_redis_server_that_is_away_is_told_where_the_settings_name_one(world: World) -> None:
    url = "unix://:hunter2@/nowhere/socket"
    assert re.match("it does not answer, pages look by themselves: .*nowhere", vitals.redis(url))
    for config, looks in ((RealmConfig(redis_url=url), True), (RealmConfig(), False)):
        organs = [trouble.organ for trouble in vitals.troubles(world, config, read_status(world), time.time())]
        assert ("redis" in organs) is looks
    assert "hunter2" not in vitals.redis(url)
