"""The machines and logs as events."""

from __future__ import annotations

import json
import os
import time
from typing import Any

import pytest
from channels.db import database_sync_to_async

from realm.config import RealmConfig
from realm.machine.machine import Machine
from realm.world import World
from tests.support.sse_events import Heard
from tests.watchtower.streams.listening import listener, until
from watchtower.machines import day
from watchtower.streams.logs import Log
from watchtower.streams.logs import Place as LogPlace
from watchtower.streams.machine import Machines, Place

pytestmark = pytest.mark.django_db(transaction=True)
in_thread = database_sync_to_async


async def first(source: Any, place: Any, count: int = 1) -> list[Heard]:
    async with listener(source, place) as body:
        return await until(body, lambda heard: len(heard) >= count)


async def test_figures_at_once_and_then_as_they_change(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Machines, "look_seconds", 0.01)
    one, two = (await first(Machines(world, RealmConfig()), Place(), 2))[:2]
    assert (one.name, two.name) == ("metrics", "metrics")
    assert 0 < one.data["memory_percent"] < 100
    assert int(one.id) < int(two.id)


async def test_who_was_away_gets_what_was_sampled_meanwhile(world: World) -> None:
    now = time.time()
    for ago in range(300, 0, -10):
        day.write(world, day.HERE, Machine(time=now - ago, cpu_percent=40.0))
    history, *_ = await first(Machines(world, RealmConfig()), Place(int(1000 * (now - 300))))
    assert history.name == "history"
    assert history.data["series"]["cpu_percent"].count(40.0) >= 25
    assert [event.name for event in await first(Machines(world, RealmConfig()), Place(1), 2)][:2] == ["gap", "history"]
    with pytest.raises(ValueError, match="since"):
        Place.read("x")


def write(world: World, *messages: str) -> None:
    path = world.logs / "arena" / "arena.jsonl"
    path.parent.mkdir(exist_ok=True)
    with open(path, "a") as file:
        for message in messages:
            line = {"time": "2026-01-01T00:00:00.000Z", "level": "info", "event": "", "message": message, "logger": "x"}
            file.write(json.dumps(line) + "\n")


async def messages_after(log: Log, place: LogPlace, count: int) -> list[str]:
    return [event.data.get("message", event.name) for event in await first(log, place, count)]


async def test_each_line_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Log, "look_seconds", 0.01)
    write(world, "a", "b", "c")
    log = Log(world, "arena", level="", text="")
    assert await messages_after(log, log.before(2), 2) == ["b", "c"]
    assert await messages_after(log, log.before(9), 3) == ["a", "b", "c"]
    async with listener(log, log.newest()) as body:
        await anext(body)
        write(world, "d", "e")
        heard = await until(body, lambda heard: len(heard) >= 2)
    assert [event.data["message"] for event in heard] == ["d", "e"]
    assert await messages_after(log, LogPlace.read(heard[0].id), 1) == ["e"]
    assert await messages_after(Log(world, "arena", level="", text="B"), LogPlace("0-0"), 1) == ["b"]


async def test_lines_whose_file_is_gone_are_a_gap(world: World) -> None:
    write(world, "a")
    log = Log(world, "arena", level="", text="")
    gone = log.newest()
    path = world.logs / "arena" / "arena.jsonl"
    os.rename(path, path.with_name("kept"))
    write(world, "b")
    assert await messages_after(log, gone, 2) == ["gap", "b"]
    with pytest.raises(ValueError, match="since"):
        LogPlace.read("x")
