"""Beyond loopback nobody gets in without a token, whatever the server is called."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from realm.web import token_wall
from realm.web.client_address import PASSED_ON_KEY
from realm.web.guard import Guard, Message, Scope
from realm.web.token_wall import TOKEN_KEY, TokenWall
from realm.web.tokens import TokenStore

LAN = ("Host", "192.168.1.5:8767")


class Vault:
    scope: Scope | None = None

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        self.scope = scope
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"secret"})


def purposes_of(scope: Scope) -> Iterable[str]:
    return ("read",) if scope["method"] == "GET" else ("api",)


def ask(store: TokenStore, *headers: tuple[str, str], method: str = "GET", **options: Any) -> tuple[Vault, int, bytes]:
    vault, sent = Vault(), list[Message]()
    wall = TokenWall(vault, store, purposes_of=purposes_of, **options)

    async def receive() -> Message:
        return {"type": "http.request"}

    async def send(message: Message) -> None:
        sent.append(message)

    encoded = [(name.lower().encode(), value.encode("latin-1")) for name, value in (LAN, *headers)]
    scope = {"type": "http", "method": method, "headers": encoded}
    asyncio.run(Guard(wall, port=8767, any_host=True)(scope, receive, send))
    return vault, sent[0]["status"], sent[1]["body"]


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json")


def strangers(store: TokenStore) -> list[tuple[int, bool]]:
    secret = store.issue("api").secret
    spellings = [
        [], [("Authorization", secret)], [("Authorization", f"Basic {secret}")], [("Authorization", "Bearer ")],
        [("Authorization", "Bearer rot_" + "A" * 43)], [("X-Token", secret)], [("Cookie", f"token={secret}")],
        [("Authorization", f"Bearer {secret}"), ("Authorization", "Bearer x")],
        [("Authorization", f"Bearer {secret}\xe4")],
    ]  # fmt: skip
    answers = [ask(store, *headers) for headers in spellings]
    return [(status, vault.scope is not None) for vault, status, _ in answers]


def test_where_all_of_this_machine_get_in_those_of_a_proxy_do_not(store: TokenStore) -> None:
    async def status(*keys: str) -> int:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        wall = TokenWall(Vault(), store, purposes_of=purposes_of, required=False)
        await wall({"type": "http", "method": "GET", "headers": [], **dict.fromkeys(keys, True)}, None, send)  # type: ignore[arg-type]
        return int(sent[0]["status"])

    assert asyncio.run(status()) == 200
    assert asyncio.run(status(PASSED_ON_KEY)) == 401


def test_a_stranger_gets_one_sentence(store: TokenStore) -> None:
    assert set(strangers(store)) == {(401, False)}
    told = json.loads(ask(store)[2])
    assert told["success"] is False
    assert told["error"].startswith("A token is needed.")


def test_twin_without_the_wall_a_stranger_is_served(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    async def pass_on(wall: TokenWall, scope: Scope, receive: Any, send: Any) -> None:
        await wall._application(scope, receive, send)

    monkeypatch.setattr(token_wall.TokenWall, "__call__", pass_on)
    assert (200, True) in strangers(store)


def test_a_token_opens_what_it_is_for(store: TokenStore) -> None:
    read = ("Authorization", f"Bearer {store.issue('read').secret}")
    vault, status, _ = ask(store, read)
    assert status == 200
    assert vault.scope is not None
    assert vault.scope[TOKEN_KEY].purpose == "read"
    assert ask(store, read, method="POST")[1] == 401
    assert ask(store, ("Authorization", f"bearer {store.issue('api').secret}"), method="POST")[1] == 200


def test_a_page_of_another_site_gets_in_by_no_name_and_no_token(store: TokenStore) -> None:
    secret = ("Authorization", f"Bearer {store.issue('api').secret}")
    assert ask(store, secret, ("Origin", "http://evil.example"))[1] == 403
    assert ask(store, secret, ("Sec-Fetch-Site", "cross-site"))[1] == 403
    assert ask(store, secret, ("Origin", "http://192.168.1.5:8767"))[1] == 200
    assert ask(store, secret, ("Host", "another.name"))[1] == 421


def test_on_loopback_a_token_tells_only_who_asks(store: TokenStore) -> None:
    vault, status, _ = ask(store, required=False)
    assert (status, vault.scope is not None and TOKEN_KEY in vault.scope) == (200, False)
    vault, _, _ = ask(store, ("Authorization", f"Bearer {store.issue('api').secret}"), required=False)
    assert vault.scope is not None
    assert TOKEN_KEY in vault.scope


def came_after(store: TokenStore, monkeypatch: pytest.MonkeyPatch, *, look_seconds: float) -> list[bytes]:
    """What came of an answer in three pieces, in the middle of which its token was revoked."""
    monkeypatch.setattr(token_wall, "LOOK_SECONDS", look_seconds)
    issued, came = store.issue("read"), []

    async def stream(scope: Scope, receive: Any, send: Any) -> None:
        for piece in (b"a", b"b", b"c"):
            await send({"type": "http.response.body", "body": piece, "more_body": piece != b"c"})
            if piece == b"a":
                store.revoke(issued.token.token_id)

    async def send(message: Message) -> None:
        came.append(message["body"])

    head = [(b"authorization", f"Bearer {issued.secret}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/", "headers": head}
    asyncio.run(TokenWall(stream, store, purposes_of=lambda scope: ("read",))(scope, None, send))  # type: ignore[arg-type]
    return came


def test_who_is_revoked_gets_no_more_of_what_was_asked_for(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert came_after(store, monkeypatch, look_seconds=0) == [b"a"]


def test_twin_without_a_second_look_all_of_it_comes(store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    assert came_after(store, monkeypatch, look_seconds=1000) == [b"a", b"b", b"c"]
