"""A server beyond loopback goes by exact names alone, and a page asks only under the names of its own group."""

from __future__ import annotations

from typing import Any

import pytest

from realm.web import served_hosts
from realm.web.guard import Guard
from realm.web.origins import is_origin
from tests.realm.web.test_guard import Realm, ask

PUBLIC = "https://realm.example.org"


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(served_hosts, "_addresses", lambda: ["192.168.1.5", "fd00::5"])
    monkeypatch.setattr(served_hosts.socket, "gethostname", lambda: "Den.lan")
    hosts = served_hosts.of_server("0.0.0.0", 8888, [PUBLIC])
    return lambda realm: Guard(realm, port=8888, hosts=hosts)


def check_hosts(build: Any) -> None:
    ours = ["192.168.1.5:8888", "[fd00::5]:8888", "den.lan:8888", "DEN:8888", "den.local:8888", "localhost:8888"]
    for host in (*ours, "realm.example.org"):
        assert ask([("Host", host)], build=build)[0], host
    others = ["evil.example:8888", "192.168.1.6:8888", "192.168.1.5", "realm.example.org:8888", "den.evil.example:8888"]
    for host in (*others, "0.0.0.0:8888", "x.realm.example.org", "realm.example.org.", "den.lan.:8888"):
        assert not ask([("Host", host)], build=build)[0], host


def test_own_addresses_names_and_public_origins_are_served_and_no_rebound_name(guarded: Any) -> None:
    check_hosts(guarded)


def test_twin_that_takes_any_host_is_reached_by_a_rebound_name() -> None:
    with pytest.raises(AssertionError, match="evil"):
        check_hosts(lambda realm: Guard(realm, port=8888, any_host=True))


def check_origins(build: Any) -> None:
    for host, origin, may in [
        ("realm.example.org", PUBLIC, True),
        ("realm.example.org", "http://realm.example.org", False),
        ("realm.example.org", "http://192.168.1.5:8888", False),
        ("192.168.1.5:8888", PUBLIC, False),
        ("192.168.1.5:8888", "http://192.168.1.5:8888", True),
        ("192.168.1.5:8888", "https://192.168.1.5:8888", False),
        ("localhost:8888", PUBLIC, False),
    ]:
        assert ask([("Host", host), ("Origin", origin)], method="POST", build=build)[0] == may, (host, origin)


def test_a_page_asks_only_under_the_names_of_its_group(guarded: Any) -> None:
    check_origins(guarded)


def test_twin_with_one_list_of_origins_a_page_of_one_name_posts_to_another(
    guarded: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(served_hosts.Hosts, "origins_for", lambda hosts, host: hosts.origins)
    with pytest.raises(AssertionError):
        check_origins(guarded)


def test_this_machine_has_addresses_and_each_can_be_an_origin() -> None:
    hosts = served_hosts.of_server("::", 8888)
    assert {"127.0.0.1:8888", "localhost:8888"} <= hosts.names
    assert all(map(is_origin, hosts.origins))


def test_loopback_alone_adds_no_name_of_the_machine() -> None:
    assert served_hosts.of_server("127.0.0.1", 8888) == served_hosts.loopback(8888)
    assert ask([("Host", "127.0.0.1:8888")], build=lambda realm: Guard(realm, port=8888))[0]
    assert Realm.reached is False


@pytest.mark.parametrize(
    "text",
    [
        "https://x.example/", "https://x.example:443", "http://x:80", "HTTPS://x.example", "https://X.example",
        "https://*.example", "*", "null", "x.example", "https://x.example:0", "https://x:70000", "https://me@x.example",
        "https://x..example", "http://[::1%25lo]:8888", "http://[0:0:0:0:0:0:0:1]:81", "wss://x.example", "https://",
        "https://ü.example", "https://x.example?a", "https://-x.example", "https://x.example\n",
    ],
)  # fmt: skip
def test_what_no_browser_sends_is_no_origin(text: str) -> None:
    assert not is_origin(text)


@pytest.mark.parametrize(
    "text", ["https://x.example", "http://10.0.0.7:8888", "http://[::1]:81", "https://xn--a.b:444"]
)
def test_what_a_browser_sends_is_an_origin(text: str) -> None:
    assert is_origin(text)
