"""The guard in the real web server: bytes on a socket, and a real websocket client."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from realm.web.body_sizes import FILES_BYTES, FORM_BYTES
from realm.world import World
from tests.realm.web.test_answer_headers import check, head
from tests.support.servers import WebServer, free_port, migrate, say, web_server

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    world = World(Path(tmp_path_factory.mktemp("guarded")) / "world")
    world.create()
    migrate(world)
    with web_server(world, free_port()) as running:
        yield running


def get(server: WebServer, *headers: str, target: str = "/health") -> bytes:
    lines = [f"GET {target} HTTP/1.1", *headers, "Connection: close"]
    return say(server.port, ("\r\n".join(lines) + "\r\n\r\n").encode())


ANSWERS = [
    (200, "GET /health HTTP/1.1\r\nHost: {own}"), (200, "GET /static/css/shared/realm.css HTTP/1.1\r\nHost: {own}"),
    (200, "GET / HTTP/1.1\r\nHost: {own}"), (404, "GET /nowhere HTTP/1.1\r\nHost: {own}"),
    (404, "GET /api/nowhere HTTP/1.1\r\nHost: {own}"), (302, "GET /admin/ HTTP/1.1\r\nHost: {own}"),
    (403, "DELETE /health HTTP/1.1\r\nHost: {own}"), (421, "GET / HTTP/1.1\r\nHost: evil.example"),
    (403, "POST / HTTP/1.1\r\nHost: {own}\r\nOrigin: null\r\nContent-Length: 9"),
    (413, "POST /quests/orders HTTP/1.1\r\nHost: {own}\r\nContent-Length: 999999999"),
    (400, "GET /%ff%fe?a=\u00e9 HTTP/1.1\r\nHost: {own}"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "request_head"), ANSWERS)
def test_every_answer_tells_the_browser_what_it_must_not_do(server: WebServer, status: int, request_head: str) -> None:
    own = f"localhost:{server.port}"
    raw = say(server.port, (request_head.format(own=own) + "\r\nConnection: close\r\n\r\n").encode("latin-1"))
    found, headers = head(raw)
    assert found == status
    check(headers)


def handshake(server: WebServer, *headers: str) -> bytes:
    lines = [
        "GET /ws/battle/ HTTP/1.1", *headers, "Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    ]  # fmt: skip
    return say(server.port, ("\r\n".join(lines) + "\r\n\r\n").encode())


def test_this_server_answers_under_its_own_names(server: WebServer) -> None:
    for name in ("127.0.0.1", "localhost", "[::1]"):
        assert b" 200 OK" in get(server, f"Host: {name}:{server.port}").splitlines()[0]


def post(server: WebServer, *headers: str, body: bytes = b"", target: str = "/quests/paste") -> bytes:
    lines = [f"POST {target} HTTP/1.1", f"Host: localhost:{server.port}", "Connection: close", *headers]
    return say(server.port, ("\r\n".join(lines) + "\r\n\r\n").encode() + body)


def test_a_body_that_is_too_large_is_refused_before_it_is_sent(server: WebServer) -> None:
    answer = post(server, f"Content-Length: {FILES_BYTES + 1}")
    assert b" 413 " in answer.splitlines()[0]
    assert b"into the inbox" in answer
    assert b" 200 OK" in get(server, f"Host: localhost:{server.port}").splitlines()[0]


def test_a_body_of_unknown_length_is_refused(server: WebServer) -> None:
    answer = post(server, "Transfer-Encoding: chunked", body=b"5\r\nhello\r\n0\r\n\r\n")
    assert b" 413 " in answer.splitlines()[0]


def test_a_body_of_an_ordinary_size_reaches_the_page(server: WebServer) -> None:
    answer = post(server, "Content-Length: 5", body=b"hello")
    assert b" 403 " in answer.splitlines()[0], "the page asks for its token"


def test_a_foreign_body_is_refused_before_it_is_sent(server: WebServer) -> None:
    answer = post(server, "Origin: http://evil.example", f"Content-Length: {FILES_BYTES - 1}")
    assert b" 403 " in answer.splitlines()[0]


def test_a_form_of_a_page_is_small(server: WebServer) -> None:
    answer = post(server, f"Content-Length: {FORM_BYTES + 1}", target="/quests/orders")
    assert b" 413 " in answer.splitlines()[0]


def test_a_form_of_many_fields_is_refused(server: WebServer) -> None:
    form, body = "Content-Type: application/x-www-form-urlencoded", b"&" * FORM_BYTES
    cookie = f"Cookie: realm-csrf-{server.port}={'a' * 32}"
    answer = post(server, form, cookie, f"Content-Length: {len(body)}", body=body)
    assert b" 400 " in answer.splitlines()[0]


def test_a_foreign_host_is_misdirected(server: WebServer) -> None:
    for host in ("evil.example", f"evil.example:{server.port}", "localhost", f"localhost.:{server.port}"):
        assert b" 421 " in get(server, f"Host: {host}").splitlines()[0]


def test_two_hosts_are_refused(server: WebServer) -> None:
    ours = f"Host: localhost:{server.port}"
    for other in ("Host: evil.example", ours):
        assert b" 200 " not in get(server, ours, other)
        assert b" 101 " not in handshake(server, ours, other)


def test_a_foreign_address_in_the_request_line_reaches_nothing_else(server: WebServer) -> None:
    answer = get(server, "Host: evil.example", target=f"http://localhost:{server.port}/health")
    assert b" 421 " in answer.splitlines()[0]


def test_a_foreign_origin_is_forbidden(server: WebServer) -> None:
    ours = f"Host: localhost:{server.port}"
    for origin in ("null", "http://evil.example", f"https://localhost:{server.port}", "http://localhost:1"):
        assert b" 403 " in get(server, ours, f"Origin: {origin}").splitlines()[0]
        assert b" 403 " in handshake(server, ours, f"Origin: {origin}").splitlines()[0]
    own = f"Origin: http://localhost:{server.port}"
    assert b" 403 " in get(server, ours, own, "Origin: http://evil.example").splitlines()[0]
    assert b" 101 " not in handshake(server, ours, own, "Origin: http://evil.example")


def test_a_websocket_of_our_own_page_or_of_a_program_is_accepted(server: WebServer) -> None:
    for origin in (f"http://localhost:{server.port}", None):
        with connect(f"ws://127.0.0.1:{server.port}/ws/battle/", origin=origin) as socket:
            assert json.loads(socket.recv(timeout=30))["type"] == "snapshot"


def test_a_websocket_of_a_foreign_page_is_refused_before_it_opens(server: WebServer) -> None:
    with pytest.raises(InvalidStatus) as refused, connect(
        f"ws://127.0.0.1:{server.port}/ws/battle/", origin="http://evil.example"
    ):  # fmt: skip
        pass
    assert refused.value.response.status_code == 403
