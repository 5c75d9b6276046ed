"""The oracle in the real web server: who may post, what a closed connection stops, and who waits for a slow host."""

from __future__ import annotations

import http.client
import json
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from realm import hosts
from realm.world import World
from tests.support.servers import TIMEOUT_SECONDS, WebServer, free_port, migrate, wait_until, web_server
from tests.support.stub_host import Raw, Stub, chunk, events, realm_model, spoken, stub_host, witness

pytestmark = pytest.mark.slow

M1000 = realm_model(1000)
CHAT = "POST /v1/chat/completions"
STREAM = (("Content-Type", "text/event-stream"),)


@pytest.fixture(scope="module")
def stub() -> Iterator[Stub]:
    with stub_host() as running:
        running.replies |= {
            "GET /health": (200, {"status": "healthy"}),
            "GET /models/info": (200, {"models": [M1000], "available": []}),
        }
        yield running


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, stub: Stub) -> Iterator[WebServer]:
    world = World(Path(tmp_path_factory.mktemp("oracle")) / "world")
    world.create()
    migrate(world)
    hosts.hosts_file(world).write_text(f"local: {{url: '{stub.url}'}}\n")
    with web_server(world, free_port()) as running:
        yield running


@pytest.fixture(autouse=True)
def fresh(stub: Stub) -> None:
    stub.gone.clear()
    stub.seen.clear()
    stub.replies[CHAT] = spoken(M1000, "Forty", "-two")


@contextmanager
def send(
    server: WebServer, method: str, headers: dict[str, str], body: str | None = None
) -> Iterator[http.client.HTTPConnection]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=TIMEOUT_SECONDS)
    with closing(connection):
        connection.request(method, "/oracle/chat", body, headers)
        yield connection


def ask(
    server: WebServer, headers: dict[str, str] | None = None, **keys: Any
) -> AbstractContextManager[http.client.HTTPConnection]:
    body = json.dumps({"message": "How many?", "step": 1000} | keys)
    return send(server, "POST", {"Content-Type": "application/json"} | (headers or {}), body)


def page(server: WebServer, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{server.port}{path}", timeout=TIMEOUT_SECONDS) as reply:
        text: str = reply.read().decode()
        return text


def test_a_program_needs_no_token(server: WebServer) -> None:
    with ask(server) as connection, connection.getresponse() as reply:
        assert reply.status == 200
        assert json.loads(reply.read())["response"] == "Forty-two"


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/x-www-form-urlencoded"},
    ],
)
def test_no_foreign_page_can_ask(server: WebServer, stub: Stub, headers: dict[str, str]) -> None:
    with ask(server, headers) as connection, connection.getresponse() as reply:
        assert reply.status == 403
    assert not stub.seen


def test_a_foreign_pages_preflight_is_refused(server: WebServer) -> None:
    with send(server, "OPTIONS", {"Origin": "http://evil.example"}) as connection, connection.getresponse() as reply:
        assert (reply.status, reply.getheader("Access-Control-Allow-Origin")) == (403, None)


def test_stopping_in_the_middle_stops_the_host_and_keeps_what_was_said(server: WebServer, stub: Stub) -> None:
    said = events(chunk(M1000["id"], "So far", **witness(M1000)), done=False).body
    stub.replies[CHAT] = Raw(body=said, headers=STREAM, then_waits=True)
    key = str(uuid.uuid4())
    with ask(server, stream=True, conversation=key) as connection, connection.getresponse() as reply:
        assert json.loads(reply.readline())["model"] == M1000["id"]
        assert json.loads(reply.readline()) == {"text": "So far"}
        assert not stub.gone.is_set()
    wait_until(stub.gone.is_set)
    wait_until(lambda: key in page(server, "/oracle"))
    kept = page(server, f"/oracle/{key}")
    assert "So far" in kept
    assert "Stopped." in kept


@pytest.mark.parametrize("stream", [True, False])
def test_stopping_before_the_first_word_stops_the_host(server: WebServer, stub: Stub, stream: bool) -> None:
    stub.replies[CHAT] = Raw(headers=STREAM, then_waits=True)
    key = str(uuid.uuid4())
    with ask(server, stream=stream, conversation=key):
        wait_until(lambda: stub.bodies(CHAT))
    wait_until(stub.gone.is_set)
    wait_until(lambda: key in page(server, "/oracle"))
    kept = page(server, f"/oracle/{key}")
    assert "How many?" in kept
    assert "Stopped." in kept
    assert M1000["sha256"][:12] not in kept, "nobody has answered yet"


def test_nobody_waits_for_a_slow_host(server: WebServer, stub: Stub) -> None:
    stub.replies[CHAT] = Raw(headers=STREAM, then_waits=True)
    with ExitStack() as waiting:
        for _ in range(8):
            waiting.enter_context(ask(server, stream=True))
        wait_until(lambda: len(stub.bodies(CHAT)) == 8)
        assert "Talk to any checkpoint" in page(server, "/oracle")
        assert json.loads(page(server, "/oracle/status"))["success"]
        assert not stub.gone.is_set(), "they still wait"
    wait_until(stub.gone.is_set)
