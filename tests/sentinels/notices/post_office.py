"""A destination's server on this machine, and entries of a chronicle to tell it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from arena.models import ChronicleEntry
from realm.world import World
from sentinels.notices import destinations
from sentinels.notices.notifier import Notifier
from sentinels.notices.sending import Answer, Order

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC).timestamp()
ADDRESS = "json://someone:sesame-open@127.0.0.1:1/hook/topsecret"


class Clock:
    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Courier:
    """Stands in for the sending process; `answers` are given in turn, then each order is taken."""

    def __init__(self, *answers: Answer) -> None:
        self.orders: list[Order] = []
        self._answers = list(answers)

    def __call__(self, order: Order) -> Answer:
        self.orders.append(order)
        return self._answers.pop(0) if self._answers else Answer(ok=True, status=200, words="200 OK")

    @property
    def bodies(self) -> list[str]:
        return [order.body for order in self.orders]


def say(kind: str, message: str, *, clock: Clock, source: str = "test") -> ChronicleEntry:
    seq = ChronicleEntry.objects.filter(source=source).count() + 1
    return ChronicleEntry.objects.create(
        source=source, source_seq=seq, kind=kind, message=message, time=datetime.fromtimestamp(clock.now, UTC)
    )


def told(world: World, courier: Courier, clock: Clock, **rules: Any) -> Notifier:
    """One that follows from now on, with a destination `phone`."""
    destinations.add(world, "phone", ADDRESS, rules)
    notifier = Notifier(world, now=clock, send=courier)
    notifier.step()
    return notifier


class Hook(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, status: int, headers: dict[str, str]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.status, self.headers = status, headers
        self.got: list[dict[str, Any]] = []

    @property
    def address(self) -> str:
        return f"json://someone:sesame-open@127.0.0.1:{self.server_port}/topsecret"


class _Handler(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append(json.loads(body))
        self.send_response(self.server.status)
        for name, value in self.server.headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(b"the key topsecret is known")

    def log_message(self, format: str, *arguments: Any) -> None:
        pass


@contextmanager
def hook(status: int = 200, **headers: str) -> Iterator[Hook]:
    with Hook(status, headers) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
