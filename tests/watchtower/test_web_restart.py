"""The web server is killed and started again while a battle writes: who comes back misses nothing."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from arena import steps
from realm.world import World
from tests.support.servers import free_port, migrate, wait_until, web_server
from tests.watchtower.factories import record

pytestmark = pytest.mark.slow

RESTARTS = 2
EVENTS_A_PHASE = 40


class Battle:
    """A daemon and a trainer reduced to what the web sees of them: rows and records, written without asking it."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.told = 0
        (world.battles / "b1").mkdir()
        with self._database() as database:
            database.execute(
                "INSERT INTO arena_quest (name, sha256, priority, state, file, data_format, rows, taken, size_bytes,"
                " skill, reason, arrived_at) VALUES ('q', '0', 'normal', 'battling', 'q', '', 0, 0, 0, '', '', ?)",
                [_NOW],
            )
            database.execute(
                "INSERT INTO arena_battle (battle_id, quest_id, hero, state, started_at, total_steps, events_offset)"
                " VALUES ('b1', 1, 'DIO', 'training', ?, 100000, 0)",
                [_NOW],
            )

    def fight(self, count: int) -> None:
        for _ in range(count):
            self.told += 1
            with self._database() as database:
                database.execute(
                    "INSERT INTO arena_chronicleentry (source, source_seq, kind, time, step, message, data)"
                    " VALUES ('b1', ?, 'checkpoint_saved', ?, 0, '', '{}')",
                    [self.told, _NOW],
                )
            with open(steps.path_of(self.world, "b1"), "ab") as file:
                file.write(record(self.told).pack())

    def _database(self) -> Any:
        return _Transaction(self.world)


_NOW = "2026-01-01 00:00:00+00:00"


class _Transaction:
    def __init__(self, world: World) -> None:
        self._connection = sqlite3.connect(world.database, timeout=20)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *error: object) -> None:
        with closing(self._connection) as connection:
            connection.commit()


class Browser(threading.Thread):
    """Follows the socket, comes back when it is cut, and asks for what came after its newest event."""

    def __init__(self, port: int, *, remembers: bool = True) -> None:
        super().__init__()
        self.port = port
        self.remembers = remembers
        self.events: list[int] = []
        self.newest_step = 0
        self.done = threading.Event()

    @property
    def seq(self) -> int:
        return self.events[-1] if self.events else 0

    def run(self) -> None:
        while not self.done.is_set():
            try:
                for message in self._messages():
                    self._take(message)
                    if self.done.is_set():
                        return
            except (OSError, ConnectionClosed, TimeoutError):
                self.done.wait(0.05)

    def _messages(self) -> Iterator[dict[str, Any]]:
        query = f"?since={self.seq}" if self.remembers else ""
        with connect(f"ws://127.0.0.1:{self.port}/ws/battle/{query}", close_timeout=1) as socket:
            while True:
                yield json.loads(socket.recv(timeout=20))

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "event":
            self.events.append(message["seq"])
        if message["type"] == "tick":
            self.newest_step = message["step"] or 0


def _fight_through_restarts(world: World, browser: Browser, battle: Battle, restarts: int = RESTARTS) -> None:
    for _ in range(restarts):
        with web_server(world, browser.port):
            seen = browser.newest_step
            battle.fight(EVENTS_A_PHASE)
            wait_until(lambda seen=seen: browser.newest_step > seen)
        battle.fight(EVENTS_A_PHASE)
    with web_server(world, browser.port):
        wait_until(lambda: browser.newest_step == battle.told)
        browser.done.set()
        browser.join()


@pytest.fixture
def battle(world: World) -> Battle:
    migrate(world)
    return Battle(world)


def test_a_browser_gets_each_event_once_in_order_through_restarts(world: World, battle: Battle) -> None:
    browser = Browser(free_port())
    browser.start()
    try:
        _fight_through_restarts(world, browser, battle)
    finally:
        browser.done.set()
        browser.join()
    assert battle.told == 2 * RESTARTS * EVENTS_A_PHASE
    assert browser.events == list(range(1, battle.told + 1))


def test_twin_a_browser_that_does_not_say_where_it_was_misses_events(world: World, battle: Battle) -> None:
    browser = Browser(free_port(), remembers=False)
    browser.start()
    try:
        _fight_through_restarts(world, browser, battle, restarts=1)
    finally:
        browser.done.set()
        browser.join()
    assert browser.events != list(range(1, battle.told + 1))
