"""What flows ends soon after its session; websockets want a login, and who guesses too often waits."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError

from realm.web import login
from realm.web.client_address import PASSED_ON_KEY
from realm.web.host_cookies import HostCookies
from realm.web.tokens import TokenStore
from tavern.account import wall
from tavern.account.attempts import Attempts
from tavern.account.turns import AT_ONCE, MOST_WAITING, ONES_SHARE, TooMany, Turns
from tavern.account.wall import LOGGED_OUT, MOST_BAD_TOKENS, MOST_GUESSES, LoginWall

Sent = list[dict[str, Any]]
COOKIE = (b"cookie", b"realm-session-8888=good")


@pytest.fixture
def good(beyond: None, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The session keys that are good now; looked at all the time."""
    keys = {"good"}
    monkeypatch.setattr(wall, "account_of", lambda key: object() if key in keys else None)
    monkeypatch.setattr(wall, "LOOK_SECONDS", 0.01)
    # Channels' own also looks at the connections that the thread has from elsewhere.
    monkeypatch.setattr(wall, "database_sync_to_async", sync_to_async)
    return keys


async def stream(scope: Any, receive: Any, send: Any) -> None:
    """Goes on until the client, as it is told, has gone."""
    if scope["type"] == "websocket":
        await send({"type": "websocket.accept"})
    else:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"secret", "more_body": True})
    while (await receive())["type"].partition(".")[2] != "disconnect":
        pass


def scope(kind: str, *headers: tuple[bytes, bytes], method: str = "GET", path: str = "/api/x") -> dict[str, Any]:
    own = {} if kind == "websocket" else {"method": method}
    return {"type": kind, "path": path, "headers": list(headers), "client": ["192.0.2.7", 1], **own}


def ask(
    store: Any, asked: dict[str, Any], act: Callable[[], None] | None = None, *, through: LoginWall | None = None
) -> Sent:
    """What is sent until it ends; `act` happens once something was sent. Raises TimeoutError of what does not end."""
    sent: Sent = []

    async def go() -> None:
        coming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        kind = asked["type"]
        coming.put_nowait({"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request"})

        async def send(message: Any) -> None:
            sent.append(message)
            if act is not None:
                act()

        answered: Awaitable[None] = (through or LoginWall(stream, store))(asked, coming.get, send)
        await asyncio.wait_for(answered, 20)

    asyncio.run(go())
    return sent


@pytest.fixture
def store(tmp_path: Path) -> TokenStore:
    return TokenStore(tmp_path / "tokens.json")


@pytest.mark.parametrize("cookie", [(), ((b"cookie", b"realm-session-8888=forged"),)])
def test_a_websocket_without_a_session_is_refused(cookie: Any, good: set[str], store: TokenStore) -> None:
    assert ask(store, scope("websocket", *cookie)) == [{"type": "websocket.close"}]


def check_ends(kind: str, good: set[str], store: TokenStore) -> None:
    sent = ask(store, scope(kind, COOKIE), good.clear)
    if kind == "websocket":
        assert sent[1:] == [{"type": "websocket.close", "code": LOGGED_OUT}]
    else:
        assert sent[-1] == {"type": "http.response.body", "body": b""}


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_what_flows_ends_with_its_session(kind: str, good: set[str], store: TokenStore) -> None:
    check_ends(kind, good, store)


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_twin_that_never_looks_again(
    kind: str, good: set[str], store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall._Watched, "_watch", lambda self: asyncio.sleep(60))
    monkeypatch.setattr(asyncio, "wait_for", lambda act, seconds, wait=asyncio.wait_for: wait(act, 0.2))
    with pytest.raises(TimeoutError):
        check_ends(kind, good, store)


def check_ends_though_the_database_was_away(good: set[str], store: TokenStore, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[str] = []

    def look(key: str) -> object:
        looks.append(key)
        if len(looks) == 2:
            raise DatabaseError
        return None if len(looks) > 2 else object()

    monkeypatch.setattr(wall, "account_of", look)
    assert ask(store, scope("websocket", COOKIE))[-1] == {"type": "websocket.close", "code": LOGGED_OUT}


def test_what_flows_ends_though_the_database_was_away(
    good: set[str], store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_ends_though_the_database_was_away(good, store, monkeypatch)


def test_twin_whose_watch_ends_with_the_database(
    good: set[str], store: TokenStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wall, "suppress", lambda *kinds: nullcontext())
    monkeypatch.setattr(asyncio, "wait_for", lambda act, seconds, wait=asyncio.wait_for: wait(act, 0.2))
    with pytest.raises(TimeoutError):
        check_ends_though_the_database_was_away(good, store, monkeypatch)


def test_a_token_opens_and_its_end_ends(good: set[str], store: TokenStore) -> None:
    issued = store.issue("read")
    authorization = (b"authorization", f"Bearer {issued.secret}".encode())
    sent = ask(store, scope("websocket", authorization), lambda: store.revoke(issued.token.token_id) and None)
    assert sent == [{"type": "websocket.accept"}, {"type": "websocket.close", "code": LOGGED_OUT}]


def test_a_token_is_good_for_its_purpose_alone(good: set[str], store: TokenStore) -> None:
    seen: list[bool] = []

    async def look(asked: Any, receive: Any, send: Any) -> None:
        seen.append(wall.TOKEN_KEY in asked)

    authorization = (b"authorization", f"Bearer {store.issue('read').secret}".encode())
    for method in ("GET", "HEAD", "POST", "DELETE"):
        ask(store, scope("http", authorization, method=method), through=LoginWall(look, store))
    assert seen == [True, True, False, False]


def tries(store: TokenStore, path: str, headers: Any, count: int, method: str = "POST") -> list[int]:
    async def answer(asked: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    through = LoginWall(answer, store)
    asked = scope("http", *headers, method=method, path=path)
    return [ask(store, asked, through=through)[0]["status"] for _ in range(count)]


def test_who_guesses_too_often_waits(good: set[str], store: TokenStore) -> None:
    assert tries(store, "/login", (), MOST_GUESSES + 1) == [200] * MOST_GUESSES + [429]
    assert 429 not in tries(store, "/login", (), MOST_GUESSES + 1, method="GET")
    bad = ((b"authorization", b"Bearer rot_guessed"),)
    assert tries(store, "/api/x", bad, MOST_BAD_TOKENS + 1)[-1] == 429


async def crowd(*, ones: bool = False) -> tuple[int, list[Any]]:
    """How many of sixty guesses were looked at together, and how many each got; all of one network, or of many."""
    turns, at_work, most, got = Turns(), 0, 0, list[str]()

    async def guess(number: int) -> None:
        nonlocal at_work, most

        async def send(message: Any) -> None:
            """A client that reads nothing for a while."""
            await asyncio.sleep(0.01)

        with suppress(TooMany):
            async with turns.turn("one" if ones else str(number), send) as answer:
                at_work += 1
                most = max(most, at_work)
                await asyncio.sleep(0)
                at_work -= 1
                await answer({})
                got.append("answer")

    await asyncio.gather(*(guess(number) for number in range(60)))
    return most, got


def check_a_few_at_a_time() -> None:
    most, got = asyncio.run(crowd())
    assert (most, len(got)) == (AT_ONCE, AT_ONCE + MOST_WAITING)


def test_passwords_are_looked_at_a_few_at_a_time() -> None:
    check_a_few_at_a_time()
    assert len(asyncio.run(crowd(ones=True))[1]) == ONES_SHARE


def test_twin_where_all_are_looked_at_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asyncio.Semaphore, "acquire", lambda self: asyncio.sleep(0))
    with pytest.raises(AssertionError):
        check_a_few_at_a_time()


def test_who_holds_a_network_of_ipv6_guesses_no_oftener(good: set[str], store: TokenStore) -> None:
    async def answer(asked: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    through = LoginWall(answer, store, processes=3)
    got = [
        ask(store, scope("http", method="POST", path="/login") | {"client": [f"2001:db8::{number:x}", 1]},
            through=through)[0]["status"]
        for number in range(1, MOST_GUESSES // 3 + 2)
    ]  # fmt: skip
    assert got == [200] * (MOST_GUESSES // 3) + [429]


def test_what_a_proxy_passed_on_wants_a_login(settings: Any, store: TokenStore) -> None:
    """On loopback alone, where no proxy was told of: one that stands there all the same opens the realm to anybody."""
    reached: list[Any] = []

    async def inner(asked: Any, receive: Any, send: Any) -> None:
        reached.append(asked)

    asked = {**scope("websocket"), "client": ["127.0.0.1", 1]}
    ask(store, asked, through=LoginWall(inner, store))
    assert len(reached) == 1
    assert ask(store, {**asked, PASSED_ON_KEY: True}, through=LoginWall(inner, store)) == [{"type": "websocket.close"}]
    assert len(reached) == 1
    assert not login.is_needed(asked)


@pytest.mark.parametrize("cookie", [(), ((b"cookie", b"realm-session-8888=forged"),)])
def test_a_large_body_is_received_of_those_who_are_known(cookie: Any, good: set[str], store: TokenStore) -> None:
    through = LoginWall(stream, store)
    bearer = (b"authorization", f"Bearer {store.issue('api').secret}".encode())
    for headers, wanted in ((cookie, False), ((COOKIE,), True), ((bearer,), True)):
        assert asyncio.run(through.lets_in(scope("http", *headers, method="POST"))) is wanted


def test_tries_are_counted_for_a_while_and_for_each_address() -> None:
    now = [0.0]
    attempts = Attempts(most=2, seconds=10, clock=lambda: now[0])
    for now[0] in (0.0, 4.0):
        assert attempts.wait_seconds("a") == 0
        attempts.note("a")
    assert (attempts.wait_seconds("a"), attempts.wait_seconds("b")) == (6, 0)
    now[0] = 10.0
    assert attempts.wait_seconds("a") == 0


def cookies(sent: str, host: bytes, *, public: str = "https://realm.example.org") -> tuple[str, str]:
    """What the application sees of the cookies that were sent, and what a browser gets of one that it sets."""
    seen: list[str] = []

    async def application(asked: Any, receive: Any, send: Any) -> None:
        seen.append(dict(asked["headers"]).get(b"cookie", b"").decode())
        headers = [(b"Set-Cookie", b"realm-session-8888=new; HttpOnly; Path=/; SameSite=Strict")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

    async def send(message: Any) -> None:
        seen.append(message["headers"][0][1].decode())

    own = HostCookies(application, public_origins=(public,), names=("realm-session-8888",))
    asyncio.run(own({"type": "http", "headers": [(b"host", host), (b"cookie", sent.encode())]}, None, send))  # type: ignore[arg-type]
    return seen[0], seen[1]


def test_under_https_a_cookie_is_its_hosts_alone() -> None:
    planted = "realm-session-8888=planted; theme=dark; __Host-realm-session-8888=mine"
    asked, set_ = cookies(planted, b"realm.example.org")
    assert asked == "theme=dark; realm-session-8888=mine"
    assert set_ == "__Host-realm-session-8888=new; HttpOnly; Path=/; SameSite=Strict; Secure"
    for host, public in ((b"127.0.0.1:8888", "https://realm.example.org"), (b"den", "http://den")):
        assert cookies(planted, host, public=public) == (
            planted, "realm-session-8888=new; HttpOnly; Path=/; SameSite=Strict"
        )  # fmt: skip
