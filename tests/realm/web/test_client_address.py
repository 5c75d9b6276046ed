"""What a proxy says of who asks counts from trusted proxies alone; of anybody else nothing behind sees it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from realm.web import client_address
from realm.web.client_address import PASSED_ON_KEY, BehindProxies
from realm.web.guard import Scope
from realm.web.networks import networks

TRUSTED = ("127.0.0.1", "10.0.0.0/24", "fd00::/64")
PROXY, STRANGER, BROWSER = "10.0.0.7", "203.0.113.9", "198.51.100.4"
CLAIMS = [
    ("X-Forwarded-For", BROWSER), ("X-Forwarded-Proto", "https"), ("X-Forwarded-Host", "evil.example"),
    ("X-Forwarded-Port", "1"), ("Forwarded", f"for={BROWSER};proto=https"), ("X-Real-IP", BROWSER),
]  # fmt: skip

Headers = list[tuple[str, str]]


def seen(
    peer: str | None, headers: Headers, *, kind: str = "http", scheme: str = "http", http_version: str = "1.1"
) -> Scope:
    """What an application behind sees of a request that came over a connection from `peer`."""
    scopes: list[Scope] = []

    async def application(scope: Scope, receive: Any, send: Any) -> None:
        scopes.append(scope)

    raw = [(name.lower().encode(), value.encode("latin-1")) for name, value in headers]
    scope = {"type": kind, "scheme": scheme, "client": peer and [peer, 4711], "headers": raw, "root_path": "/static"}
    scope["http_version"] = http_version
    asyncio.run(BehindProxies(application, TRUSTED)(scope, None, None))  # type: ignore[arg-type]
    return scopes[0]


def address(peer: str | None, *forwarded: str) -> str:
    return client_address.of(seen(peer, [("X-Forwarded-For", value) for value in forwarded]))


@pytest.mark.parametrize(
    ("forwarded", "who"),
    [
        ((BROWSER,), BROWSER),
        ((f"{STRANGER}, {BROWSER}",), BROWSER),  # who asked the proxy; the rest is that one's word
        ((STRANGER, BROWSER), BROWSER),
        ((f"{BROWSER}, 10.0.0.9, 127.0.0.1",), BROWSER),
        ((f"{STRANGER},{BROWSER} , 10.0.0.9",), BROWSER),
        (("10.0.0.8, 10.0.0.9",), "10.0.0.8"),
        (("unknown",), PROXY),
        ((f"{BROWSER}, unknown",), PROXY),
        ((f"{BROWSER}, 1.2.3, 10.0.0.9",), "10.0.0.9"),
        ((f"{BROWSER}:5000",), BROWSER),
        (("[2001:db8::1]:5000",), "2001:db8::1"),
        (("2001:DB8::1",), "2001:db8::1"),
        ((f"::ffff:{BROWSER}",), BROWSER),
        (("",), PROXY),
        ((), PROXY),
        (("\xe4\xf6",), PROXY),
    ],
)
def test_who_asked_the_trusted_proxies_is_who_asks(forwarded: tuple[str, ...], who: str) -> None:
    assert address(PROXY, *forwarded) == who


@pytest.mark.parametrize("peer", [STRANGER, "10.0.1.7", "2001:db8::7", "127.0.0.2", "::1", "", None])
def test_what_a_stranger_claims_changes_nothing(peer: str | None) -> None:
    scope = seen(peer, [*CLAIMS, ("Host", "localhost:8888")])
    assert (client_address.of(scope), scope["scheme"]) == (peer or "", "http")
    assert scope["headers"] == [(b"host", b"localhost:8888")]


@pytest.mark.parametrize("sign", [*CLAIMS, ("Via", "1.1 proxy")])
def test_what_a_proxy_passed_on_of_which_nobody_said_anything_is_known(sign: tuple[str, str]) -> None:
    assert PASSED_ON_KEY in seen("127.0.0.2", [sign])
    assert PASSED_ON_KEY not in seen("127.0.0.2", [])
    assert PASSED_ON_KEY in seen("127.0.0.2", [], http_version="1.0")
    assert PASSED_ON_KEY not in seen(PROXY, [sign])


def test_daphnes_own_header_moves_no_path() -> None:
    """`Daphne-Root-Path`, which anybody may send: Django cuts it from the path that walls have judged."""
    assert {seen(peer, [])["root_path"] for peer in (PROXY, STRANGER, None)} == {""}


def test_one_person_holds_a_network_of_ipv6() -> None:
    def network(peer: str) -> str:
        return client_address.network_of({"client": [peer, 1]})

    assert network("2001:db8::1") == network("2001:db8::ffff:1") != network("2001:db8:0:1::1")
    assert (network(STRANGER), network(f"::ffff:{STRANGER}"), network("")) == (STRANGER, STRANGER, "")


def test_twin_trusting_everybody_a_stranger_is_whoever_he_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BehindProxies, "_trusts", lambda proxies, address: True)
    with pytest.raises(AssertionError):
        test_what_a_stranger_claims_changes_nothing(STRANGER)


def test_twin_taking_the_first_name_a_browser_chooses_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BehindProxies, "_first_stranger", lambda proxies, peer, hops: hops[0])
    with pytest.raises(AssertionError):
        test_who_asked_the_trusted_proxies_is_who_asks((f"{STRANGER}, {BROWSER}",), BROWSER)


@pytest.mark.parametrize(
    ("kind", "plain", "said", "scheme"),
    [
        ("http", "http", "https", "https"), ("http", "http", "HTTPS", "https"), ("http", "http", "http", "http"),
        ("http", "http", "http, https", "https"), ("http", "http", "gopher", "http"), ("http", "http", "wss", "http"),
        ("websocket", "ws", "https", "wss"), ("websocket", "ws", "wss", "wss"), ("websocket", "ws", "", "ws"),
    ],
)  # fmt: skip
def test_the_scheme_is_the_browsers(kind: str, plain: str, said: str, scheme: str) -> None:
    assert seen(PROXY, [("X-Forwarded-Proto", said)], kind=kind, scheme=plain)["scheme"] == scheme


def test_a_trusted_proxy_is_known_in_both_spellings() -> None:
    assert address("::ffff:10.0.0.7", BROWSER) == BROWSER
    assert address("fd00::7", BROWSER) == BROWSER


def test_a_proxy_says_nothing_of_the_host() -> None:
    scope = seen(PROXY, [*CLAIMS, ("Host", "realm.example")])
    assert scope["headers"] == [(b"host", b"realm.example")]


@pytest.mark.parametrize(
    "text", ["nginx", "10.0.0.1/24", "0.0.0.0/0", "::/0", "", "10.0.0", "10.0.0.1:80", "1.2.3.4/33"]
)
def test_what_is_no_proxys_address_is_refused_in_one_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r"^trusted_proxies: '.*' is .*; allowed are .*$"):
        networks([text])
