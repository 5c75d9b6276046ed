"""Trainers behind real sockets: the realm's own server, and one that lies as it is told to."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import uvicorn

from guild.skills.registry import Skill
from guild.skills.server import application
from guild.trainers.contract import Trainer
from realm.web.guard import Guard
from tests.support.servers import free_port

TIMEOUT_SECONDS = 30.0


@contextmanager
def served(skill: Skill, trainer: Trainer) -> Iterator[str]:
    """The address of the realm's own server, in a thread."""
    port = free_port()
    guarded = Guard(application(skill, trainer), port=port)
    server = uvicorn.Server(uvicorn.Config(guarded, port=port, log_level="warning", lifespan="off"))
    thread = threading.Thread(target=server.run)
    thread.start()
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not server.started:
        assert time.monotonic() < deadline, "the server did not start"
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(TIMEOUT_SECONDS)


Answer = Callable[[BaseHTTPRequestHandler, str, dict[str, Any]], Any]
"""Of handler, path and body, the reply's JSON; or None if it has answered by itself."""


class HonestStub:
    """Speaks the protocol for a skill that says numbers after another; tests override what they lie about."""

    name, levels = "stub", 3

    def __init__(self) -> None:
        self.requests: list[str] = []
        self.url = ""

    def answer(self, handler: BaseHTTPRequestHandler, path: str, body: dict[str, Any]) -> Any:
        match path:
            case "/skill":
                return {"protocol": 1, "name": self.name, "max_level": self.levels}
            case "/sample":
                return {"skill": self.name, "level": body["level"], "problems": self.problems(body)}
            case "/judge":
                return {"verdicts": [self.verdict(told) for told in body["problems"]]}

    def problems(self, body: dict[str, Any]) -> list[dict[str, Any]]:
        return [self.problem(body["seed"] + number) for number in range(body["count"])]

    def problem(self, number: int) -> dict[str, Any]:
        return {"prompt": f"say {number}", "answer": str(number)}

    def verdict(self, told: dict[str, Any]) -> bool:
        return bool(told["answer"] == told["given"])


@contextmanager
def stub(behaviour: HonestStub) -> Iterator[HonestStub]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._reply({})

        def do_POST(self) -> None:
            self._reply(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _reply(self, body: dict[str, Any]) -> None:
            behaviour.requests.append(self.path)
            with suppress(BrokenPipeError, ConnectionResetError):
                told = behaviour.answer(self, self.path, body)
                if told is not None:
                    send(self, 200, json.dumps(told).encode())

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    behaviour.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield behaviour
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def send(handler: BaseHTTPRequestHandler, status: int, body: bytes, **headers: str) -> None:
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), **headers}.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)
