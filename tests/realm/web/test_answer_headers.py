"""What every answer tells a browser: of guards, walls, files, streams, and of the servers themselves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from realm.web import answer_headers, serve
from realm.web.answer_headers import completed
from realm.web.guard import Application
from realm.web.head_limit import TimedProtocol
from realm.web.token_wall import TokenWall
from realm.web.tokens import TokenStore
from tests.support.servers import free_port, say

ON_ALL = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
LEAKING = ("server", "x-powered-by")
PORT = 8765


async def broken(request: Request) -> Response:
    raise RuntimeError


async def told(request: Request) -> Response:
    return JSONResponse({})


async def streamed(request: Request) -> Response:
    async def pieces() -> Any:
        yield b"data: 1\n\n"

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def own(request: Request) -> Response:
    return Response(headers={"X-Frame-Options": "SAMEORIGIN", "Cache-Control": "private"})


INNER = Starlette(
    routes=[Route("/a", told), Route("/own", own), Route("/stream", streamed), Route("/broken", broken)],
    exception_handlers={Exception: lambda request, error: JSONResponse({}, status_code=500)},
)  # fmt: skip


def answer(application: Application, path: str, *, method: str = "GET", **headers: str) -> tuple[int, dict[str, str]]:
    said: list[Any] = []
    given = [(name.encode(), value.encode()) for name, value in ({"host": f"localhost:{PORT}"} | headers).items()]
    scope = {"type": "http", "method": method, "path": path, "headers": given, "query_string": b"", "client": None}

    asked = iter([{"type": "http.request", "body": b""}])

    async def receive() -> Any:
        return next(asked, None) or await asyncio.Event().wait()

    async def send(message: Any) -> None:
        said.append(message)

    async def ask() -> None:
        with suppress(RuntimeError):  # it has answered, and its server logs the rest
            await application(scope, receive, send)

    asyncio.run(ask())
    names = [name.decode().lower() for name, _ in said[0]["headers"]]
    assert len(names) == len(set(names)), "a header that is said twice counts as none"
    return said[0]["status"], {name.decode().lower(): value.decode() for name, value in said[0]["headers"]}


def check(headers: dict[str, str]) -> None:
    assert {name: headers.get(name) for name in ON_ALL} == ON_ALL
    assert "'unsafe" not in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert not set(LEAKING) & set(headers)


KINDS = [
    (200, "/a", {}), (200, "/stream", {}), (500, "/broken", {}), (404, "/nowhere", {}),
    (405, "/a", {"method": "DELETE"}), (421, "/a", {"host": "evil.example"}), (403, "/a", {"origin": "null"}),
]  # fmt: skip


@pytest.mark.parametrize(("status", "path", "asked"), KINDS)
def test_every_kind_of_answer_has_them(status: int, path: str, asked: dict[str, str]) -> None:
    found, headers = answer(serve.guarded(INNER, port=PORT), path, **asked)
    assert found == status
    check(headers)
    assert headers["cache-control"] == "no-store"


def test_the_refusal_of_a_token_wall_has_them(tmp_path: Any) -> None:
    wall = TokenWall(INNER, TokenStore(tmp_path / "tokens.json"), purposes_of=lambda scope: ())
    status, headers = answer(serve.guarded(wall, port=PORT, any_host=True), "/a")
    assert status == 401
    check(headers)


def test_what_an_answer_says_of_its_own_stays() -> None:
    _, headers = answer(serve.guarded(INNER, port=PORT), "/own")
    assert (headers["x-frame-options"], headers["cache-control"]) == ("SAMEORIGIN", "private")


def test_static_files_may_be_kept() -> None:
    assert "cache-control" not in dict(completed((), path="/static/css/a.css"))
    assert (b"cache-control", b"no-store") in completed((), path="/api/static/")


def test_twin_without_them_an_answer_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answer_headers, "completed", lambda headers, path: list(headers))
    for _, path, asked in KINDS[:4]:
        _, headers = answer(serve.guarded(INNER, port=PORT), path, **asked)
        with pytest.raises(AssertionError):
            check(headers)


@contextmanager
def served(most_connections: int) -> Iterator[int]:
    port = free_port()
    config = uvicorn.Config(
        serve.guarded(INNER, port=port), port=port, http=TimedProtocol, ws="none", log_level="critical",
        server_header=False, limit_concurrency=most_connections, lifespan="off",
    )  # fmt: skip
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    end = time.monotonic() + 30
    while not server.started:
        assert time.monotonic() < end
        time.sleep(0.01)
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(30)


def head(raw: bytes) -> tuple[int, dict[str, str]]:
    """Status and headers of what a socket said."""
    first, *lines = raw.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split()[1]), {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize(
    ("connections", "status", "request_line"), [(100, 400, b"rubbish\r\n\r\n"), (1, 503, b"GET /a HTTP/1.1\r\n")]
)
def test_the_server_s_own_answers_have_them(connections: int, status: int, request_line: bytes) -> None:
    with served(connections) as port:
        found, headers = head(say(port, request_line + b"Host: localhost:%d\r\nConnection: close\r\n\r\n" % port))
    assert found == status
    check(headers)
