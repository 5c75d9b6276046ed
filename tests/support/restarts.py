"""A battle reduced to what the web sees of it, and clients that follow it through restarts of the web server."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException
from typing import Any

from websockets.exceptions import WebSocketException
from websockets.sync.client import connect

from arena.protocol import STEPS_FILE, StepRecord
from realm.world import World
from tests.support.servers import wait_until, web_server
from tests.support.sse_events import Heard, parsed, steps_of

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
            self.tell()
            self.step(self.told, time=_BEGAN + self.told)

    def tell(self) -> None:
        self.told += 1
        with self._database() as database:
            database.execute(
                "INSERT INTO arena_chronicleentry (source, source_seq, kind, time, step, message, data)"
                " VALUES ('b1', ?, 'checkpoint_saved', ?, 0, '', '{}')",
                [self.told, _NOW],
            )

    def step(self, number: int, *, time: float) -> None:
        with open(self.world.battles / "b1" / STEPS_FILE, "ab") as file:
            file.write(_packed(number, time))

    def steps(self, many: int, *, time: float) -> None:
        """At once, the last of them at `time`."""
        with open(self.world.battles / "b1" / STEPS_FILE, "ab") as file:
            file.writelines(_packed(number, time - (many - number) / 10) for number in range(1, many + 1))

    def _database(self) -> Any:
        return _Transaction(self.world)


_NOW = "2026-01-01 00:00:00+00:00"
_BEGAN = 1_000_000.0


def _packed(number: int, time: float) -> bytes:
    return StepRecord(
        step=number, time=time, loss=1.0, learning_rate=0.002, grad_norm=0.5, step_seconds=0.5, tokens=100,
        trained_tokens=40, slots=128, quest_step=number, memory_bytes=1,
    ).pack()  # fmt: skip


class _Transaction:
    def __init__(self, world: World) -> None:
        self._connection = sqlite3.connect(world.database, timeout=20)

    def __enter__(self) -> sqlite3.Connection:
        return self._connection

    def __exit__(self, *error: object) -> None:
        with closing(self._connection) as connection:
            connection.commit()


class Client(threading.Thread):
    """Comes back when it is cut, and asks for what came after its newest event."""

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

    def has_all_of(self, battle: Battle) -> bool:
        return self.newest_step == battle.told and (self.seq == battle.told or not self.remembers)

    def has_more_than(self, seen: int) -> bool:
        """Whether it has heard of what was told since so much was."""
        return self.newest_step > seen

    def run(self) -> None:
        while not self.done.is_set():
            try:
                self.listen()
            except (OSError, WebSocketException, TimeoutError, HTTPException):
                self.done.wait(0.05)

    def listen(self) -> None:
        raise NotImplementedError


class Browser(Client):
    """Follows the socket."""

    def listen(self) -> None:
        for message in self._messages():
            self._take(message)
            if self.done.is_set():
                return

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


class Listener(Client):
    """Follows the stream of server-sent events."""

    def __init__(self, port: int, *, remembers: bool = True) -> None:
        super().__init__(port, remembers=remembers)
        self.steps: list[int] = []
        self._id = ""

    def has_all_of(self, battle: Battle) -> bool:
        return self.newest_step == battle.told == self.seq  # who forgets is told everything again, to the end

    def has_more_than(self, seen: int) -> bool:
        return super().has_more_than(seen) and self.seq > seen  # events come apart from steps

    def listen(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=20)
        with closing(connection):
            headers = {"Last-Event-ID": self._id} if self.remembers and self._id else {}
            connection.request("GET", "/api/training/stream/b1", headers=headers)
            reply = connection.getresponse()
            text = ""
            while not self.done.is_set() and (part := reply.read1()):
                whole, _, text = (text + part.decode()).rpartition("\n\n")
                for event in parsed(f"{whole}\n\n"):
                    self._take(event)

    def _take(self, event: Heard) -> None:
        self._id = event.id
        if event.name == "checkpoint":
            self.events.append(event.data["seq"])
        else:
            self.steps += steps_of([event])
            self.newest_step = self.steps[-1]


def fight_through_restarts(world: World, clients: Sequence[Client], battle: Battle, *, restarts: int) -> None:
    """The web server is killed and started again so often, while it fights and the clients follow."""
    port = clients[0].port
    for client in clients:
        client.start()
    try:
        for _ in range(restarts):
            with web_server(world, port):
                seen = battle.told
                battle.fight(EVENTS_A_PHASE)
                wait_until(lambda seen=seen: all(client.has_more_than(seen) for client in clients))
            battle.fight(EVENTS_A_PHASE)
        with web_server(world, port):
            wait_until(lambda: all(client.has_all_of(battle) for client in clients))
    finally:
        for client in clients:
            client.done.set()
        for client in clients:
            client.join()
