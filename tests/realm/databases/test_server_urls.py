"""Addresses of servers in the settings: what is no address is refused, and no message shows a password."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from realm import channel_layer
from realm.config import RealmConfig
from realm.databases import url as database_url
from realm.strict import BadConfig
from realm.world import World

WRONG_DATABASES = (
    "x", "postgres://", "sqlite://", "mysql://u:hunter2@h/x", "postgresql://u:hun/ter2@h/x", "http://h/x",
    "postgresql://u:hunter2@h:99999/x", "postgresql://[::1/x", "postgresql:x",
)  # fmt: skip
WRONG_REDISES = ("x:6379", "http://h", "redis://", "unix://", "redis://:hunter2@h:x/1")
SECRET = "hunter2"


@pytest.mark.parametrize("url", WRONG_DATABASES)
def test_what_is_no_database_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^database_url: it is no address of a database; allowed are") as refusal:
        RealmConfig(database_url=url)
    assert not any(part in str(refusal.value) for part in (SECRET, "ter2"))


@pytest.mark.parametrize("url", WRONG_REDISES)
def test_what_is_no_redis_server_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(ValueError, match=r"^redis_url: it is no address of a Redis server; allowed are") as refusal:
        RealmConfig(redis_url=url)
    assert SECRET not in str(refusal.value)


def test_settings_in_words_hold_no_password() -> None:
    config = RealmConfig(database_url=f"postgresql://u:{SECRET}@h/x", redis_url=f"redis://:{SECRET}@h")
    assert SECRET not in repr(config)


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("postgresql://u:p%40@db:5433/x", {"HOST": "db", "PORT": 5433, "USER": "u", "PASSWORD": "p@", "NAME": "x"}),
        ("postgresql://u@/x?host=/run/pg", {"HOST": "/run/pg", "USER": "u", "NAME": "x"}),
        ("postgresql://u@%2Frun%2Fpg/x", {"HOST": "/run/pg", "USER": "u", "NAME": "x"}),
        ("postgres:///x?user=u&port=7", {"USER": "u", "PORT": "7", "NAME": "x"}),
    ],
)
def test_where_a_server_is_stands_in_one_place(url: str, wanted: dict[str, Any], world: World) -> None:
    found = database_url.settings_of(world, url)
    assert {key: found[key] for key in wanted} == wanted
    assert not {"host", "port", "user", "password"} & found["OPTIONS"].keys()
    assert (found["CONN_MAX_AGE"], found["CONN_HEALTH_CHECKS"]) == (0, True)


def test_an_option_of_the_address_wins(world: World) -> None:
    options = database_url.settings_of(world, "postgresql://h/x?connect_timeout=2&sslmode=require")["OPTIONS"]
    assert (options["connect_timeout"], options["sslmode"], options["application_name"]) == (2, "require", "realm")


def test_without_addresses_a_world_is_its_own_file(world: World) -> None:
    assert database_url.settings_of(world, None)["NAME"] == world.database
    assert "InMemory" in channel_layer.settings_of(None, secret_key="a")["BACKEND"]


def test_a_driver_that_is_missing_is_named(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    monkeypatch.setitem(sys.modules, "channels_redis", None)
    with pytest.raises(BadConfig, match=r"driver of PostgreSQL is not installed: .*psycopg\[binary\]"):
        database_url.settings_of(world, "postgresql://h/x")
    with pytest.raises(BadConfig, match=r"driver of Redis is not installed: .*channels-redis"):
        channel_layer.settings_of("redis://h", secret_key="a")


def test_worlds_that_share_a_redis_server_do_not_hear_each_other() -> None:
    one, other = (channel_layer.settings_of("redis://h", secret_key=key)["CONFIG"]["prefix"] for key in ("a", "b"))
    assert one != other
