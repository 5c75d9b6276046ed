"""Pages of listed origins ask the API as programs do, without anybody's cookies; no other page gains anything."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realm.web import cors
from realm.web.cors import Cors
from realm.web.guard import Guard, Message, Scope

OWN, LISTED, API = "localhost:8888", "https://notes.example", "/api/dashboard/stats"
FOREIGN = [
    "https://evil.example", "http://notes.example", "https://notes.example:8443", "https://notes.example.evil.example",
    "https://NOTES.example", "https://notes.example/", "null", "file://", "https://a.notes.example", "*", "",
]  # fmt: skip
FETCHED = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "cors"), ("Sec-Fetch-Dest", "empty")]
PREFLIGHT = [("Access-Control-Request-Method", "POST"), ("Access-Control-Request-Headers", "authorization"), *FETCHED]

Headers = list[tuple[str, str]]


class Realm:
    scope: Scope | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.scope = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"secret"})


def ask(
    headers: Headers, *, path: str = API, method: str = "GET", kind: str = "http", allowed: tuple[str, ...] = (LISTED,)
) -> tuple[Realm, Message, dict[bytes, bytes]]:
    realm, sent = Realm(), list[Message]()

    async def receive() -> Message:
        return {"type": "websocket.connect" if kind == "websocket" else "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    raw = [(name.lower().encode(), value.encode()) for name, value in headers]
    scope = {"type": kind, "method": method, "path": path, "headers": raw}
    asyncio.run(Cors(Guard(realm, port=8888), allowed)(scope, receive, send))
    return realm, sent[0], dict(sent[0].get("headers", ()))


def from_page(origin: str, *more: tuple[str, str], **options: Any) -> tuple[Realm, Message, dict[bytes, bytes]]:
    return ask([("Host", OWN), ("Origin", origin), *(more or FETCHED)], **options)


@pytest.mark.parametrize("path", [API, "/v1/files", "/api/training/stream/7"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
def test_a_page_of_a_listed_origin_asks_and_reads(path: str, method: str) -> None:
    realm, start, headers = from_page(LISTED, path=path, method=method)
    assert (realm.scope is not None, start["status"]) == (True, 200)
    assert headers[b"access-control-allow-origin"] == LISTED.encode()
    assert headers[b"vary"] == b"Origin"
    assert b"access-control-allow-credentials" not in headers


def test_a_listed_page_comes_with_its_token_and_without_anybodys_cookies() -> None:
    realm, _, _ = from_page(LISTED, ("Cookie", "realm-session-8888=x"), ("Authorization", "Bearer rot_x"), *FETCHED)
    assert realm.scope is not None
    assert realm.scope["headers"] == [(b"host", OWN.encode()), (b"authorization", b"Bearer rot_x")]


def test_a_preflight_is_answered_before_anything_sees_it() -> None:
    realm, start, headers = from_page(LISTED, *PREFLIGHT, method="OPTIONS")
    assert (realm.scope, start["status"]) == (None, 204)
    assert {b"POST", b"DELETE", b"PATCH"} <= set(headers[b"access-control-allow-methods"].split(b", "))
    assert headers[b"access-control-allow-headers"] == b"Authorization, Content-Type, Last-Event-ID"
    assert (headers[b"access-control-max-age"], headers[b"vary"]) == (b"600", b"Origin")


def check_closed(origin: str, **options: Any) -> None:
    realm, start, headers = from_page(origin, **options)
    assert realm.scope is None
    assert start.get("status", 403) == 403
    assert not [name for name in headers if name.startswith(b"access-control")]


@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS"])
@pytest.mark.parametrize("origin", FOREIGN)
def test_any_other_origin_is_refused_and_reads_nothing(origin: str, method: str) -> None:
    check_closed(origin, method=method)


@pytest.mark.parametrize("path", ["/", "/quests", "/admin/", "/oracle/chat", "/apix", "/metrics", "/v1", "//api/x"])
def test_a_listed_origin_is_let_into_the_api_alone(path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        check_closed(LISTED, path=path, method=method)


def test_a_socket_is_for_this_servers_own_pages() -> None:
    check_closed(LISTED, kind="websocket")


def test_by_default_nobody_is_listed() -> None:
    check_closed(LISTED, allowed=())


def test_a_request_of_two_origins_is_refused() -> None:
    realm, start, _ = ask([("Host", OWN), ("Origin", LISTED), ("Origin", LISTED), *FETCHED])
    assert (realm.scope, start["status"]) == (None, 403)


def test_the_host_is_judged_as_ever() -> None:
    for method, more in (("GET", FETCHED), ("OPTIONS", PREFLIGHT)):
        realm, start, _ = ask([("Host", "evil.example"), ("Origin", LISTED), *more], method=method)
        assert (realm.scope, start["status"]) == (None, 421)


def test_without_an_origin_a_foreign_page_is_refused_as_ever() -> None:
    realm, start, headers = ask([("Host", OWN), *FETCHED])
    assert (realm.scope, start["status"], headers[b"vary"]) == (None, 403, b"Origin")


def test_this_servers_own_pages_keep_their_cookies_though_listed() -> None:
    own = f"http://{OWN}"
    realm, _, _ = from_page(own, ("Cookie", "a=b"), ("Sec-Fetch-Site", "same-origin"), allowed=(own,))
    assert realm.scope is not None
    assert (b"cookie", b"a=b") in realm.scope["headers"]


def test_twin_compared_by_its_beginning_another_page_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def begins(door: Cors, scope: Scope) -> bytes:
        origin = dict(scope["headers"])[b"origin"]
        return bytes(origin) if origin.startswith(LISTED.encode()) else b""

    monkeypatch.setattr(Cors, "_allowed_origin", begins)
    with pytest.raises(AssertionError):
        test_any_other_origin_is_refused_and_reads_nothing("https://notes.example.evil.example", "GET")


def test_twin_for_all_paths_a_listed_page_drives_the_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cors, "_is_api", lambda scope: True)
    with pytest.raises(AssertionError):
        test_a_listed_origin_is_let_into_the_api_alone("/quests")
    with pytest.raises(AssertionError):
        test_a_socket_is_for_this_servers_own_pages()
