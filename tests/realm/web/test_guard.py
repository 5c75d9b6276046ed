"""Each request that a foreign page or a rebound name could cause is refused before anything sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realm.web.guard import Application, Guard, Message

PORT = 8888
OWN = "localhost:8888"

Headers = list[tuple[str, str]]

WRONG_HOSTS = [
    "", "localhost", "localhost:80", "localhost:8889", "localhost.:8888", "127.0.0.1.:8888", "127.1:8888",
    "2130706433:8888", "0.0.0.0:8888", "0:8888", "[::]:8888", "::1:8888", "[::1]", "[0:0:0:0:0:0:0:1]:8888",
    "[::ffff:127.0.0.1]:8888", "evil.example:8888", "localhost.evil.example:8888", "evil.example", "a@localhost:8888",
    "localhost:8888,evil.example", "localhost:8888 ", "localhost:08888", "127.0.0.2:8888",
]  # fmt: skip
WRONG_ORIGINS = [
    "", "null", "file://", "http://localhost", "http://localhost:8889", "https://localhost:8888", "http://0.0.0.0:8888",
    "http://localhost.:8888", "http://evil.example", "http://evil.example:8888", "http://localhost:8888.evil.example",
    "http://localhost:8888/", "HTTP://LOCALHOST:8888", "chrome-extension://abcdefgh", "ws://localhost:8888",
    "http://a@localhost:8888", "http://localhost:8888, http://evil.example", "http://[::]:8888", "localhost:8888",
]  # fmt: skip
RIGHT_HOSTS = ["127.0.0.1:8888", "localhost:8888", "[::1]:8888", "LOCALHOST:8888"]
RIGHT_ORIGINS = ["http://127.0.0.1:8888", "http://localhost:8888", "http://[::1]:8888"]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
NAVIGATION = [("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", "document")]


class Realm:
    """What lies behind the guard; remembers whether anything reached it."""

    reached = False

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.reached = True
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"secret"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.accept"})


def guarded(realm: Realm) -> Application:
    return Guard(realm, port=PORT)


def unguarded(realm: Realm) -> Application:
    return realm


def ask(
    headers: Headers, *, kind: str = "http", method: str = "GET", build: Any = guarded
) -> tuple[bool, list[Message]]:
    realm, sent = Realm(), []

    async def receive() -> Message:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    scope = {"type": kind, "headers": [(name.lower().encode(), value.encode()) for name, value in headers]}
    if kind == "http":
        scope["method"] = method
    asyncio.run(build(realm)(scope, receive, send))
    return realm.reached, sent


def check_refused(headers: Headers, *, kind: str, status: int, method: str = "GET", build: Any = guarded) -> None:
    reached, sent = ask(headers, kind=kind, method=method, build=build)
    assert not reached
    if kind == "websocket":
        assert sent == [{"type": "websocket.close"}]
    else:
        assert sent[0]["status"] == status
        assert b"secret" not in sent[1]["body"]
        assert sent[1]["body"].endswith(b".\n")


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", WRONG_HOSTS)
def test_a_host_that_is_not_this_server_is_refused(host: str, kind: str) -> None:
    check_refused([("Host", host)], kind=kind, status=421)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_request_with_no_host_or_two_is_refused(kind: str) -> None:
    check_refused([], kind=kind, status=421)
    check_refused([("Host", OWN), ("Host", "evil.example")], kind=kind, status=421)
    check_refused([("Host", OWN), ("Host", OWN)], kind=kind, status=421)


@pytest.mark.parametrize("method", [*METHODS, "websocket"])
@pytest.mark.parametrize("origin", WRONG_ORIGINS)
def test_a_foreign_origin_is_refused(origin: str, method: str) -> None:
    kind = "websocket" if method == "websocket" else "http"
    check_refused([("Host", OWN), ("Origin", origin)], kind=kind, status=403, method=method)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_two_origins_are_refused_even_if_one_is_ours(kind: str) -> None:
    origins = [("Origin", RIGHT_ORIGINS[0]), ("Origin", "http://evil.example")]
    check_refused([("Host", OWN), *origins], kind=kind, status=403)
    check_refused([("Host", OWN), *reversed(origins)], kind=kind, status=403)


@pytest.mark.parametrize("site", ["cross-site", "same-site", "", "SAME-ORIGIN", "anything"])
@pytest.mark.parametrize("method", [*METHODS, "websocket"])
def test_a_request_that_a_foreign_page_caused_is_refused(site: str, method: str) -> None:
    kind = "websocket" if method == "websocket" else "http"
    check_refused([("Host", OWN), ("Sec-Fetch-Site", site)], kind=kind, status=403, method=method)


def test_a_foreign_page_may_link_here_but_not_frame_post_or_fetch() -> None:
    foreign = [("Host", OWN), ("Sec-Fetch-Site", "cross-site")]
    assert ask([*foreign, *NAVIGATION])[0]
    for method in METHODS[1:]:
        check_refused([*foreign, *NAVIGATION], kind="http", status=403, method=method)
    for dest in ("iframe", "frame", "embed", "object", "empty", "image", "script"):
        framed = [*foreign, ("Sec-Fetch-Mode", "navigate"), ("Sec-Fetch-Dest", dest)]
        check_refused(framed, kind="http", status=403)
    check_refused([*foreign, ("Sec-Fetch-Mode", "no-cors"), NAVIGATION[1]], kind="http", status=403)
    check_refused([*foreign, *NAVIGATION], kind="websocket", status=403)
    check_refused([*foreign, ("Sec-Fetch-Site", "same-origin"), *NAVIGATION], kind="http", status=403)


@pytest.mark.parametrize("kind", ["http", "websocket"])
@pytest.mark.parametrize("host", RIGHT_HOSTS)
def test_this_server_under_its_own_names_is_reached(host: str, kind: str) -> None:
    assert ask([("Host", host)], kind=kind)[0]
    for origin in RIGHT_ORIGINS:
        assert ask([("Host", host), ("Origin", origin)], kind=kind, method="POST")[0]
    for site in ("same-origin", "none"):
        assert ask([("Host", host), ("Sec-Fetch-Site", site)], kind=kind, method="POST")[0]


def test_on_port_80_a_browser_names_no_port() -> None:
    reached, _ = ask([("Host", "localhost"), ("Origin", "http://localhost")], build=lambda realm: Guard(realm, port=80))
    assert reached


def test_twin_without_the_guard_a_foreign_page_gets_in() -> None:
    for kind in ("http", "websocket"):
        for headers in ([("Host", "evil.example")], [("Host", OWN), ("Origin", "http://evil.example")]):
            with pytest.raises(AssertionError):
                check_refused(headers, kind=kind, status=403, build=unguarded)
