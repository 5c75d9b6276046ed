"""A real server whose pages other machines reach: it starts with an account alone, and lets in who has logged in."""

from __future__ import annotations

import http.client
import runpy
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from http.cookies import SimpleCookie
from typing import Any
from urllib.parse import urlencode

import pytest
from django.conf import settings as realm_settings
from django.contrib.auth.models import User
from pytest_django import Settings
from websockets.exceptions import ConnectionClosedError, InvalidStatus
from websockets.sync.client import connect

from realm.config import RealmConfig
from realm.logs import configuration
from realm.management.commands import weave
from realm.weaver import WeaverError
from realm.weaver.services import TAVERN
from realm.web import identity, login
from realm.world import CHECKOUT, World
from tavern.account.wall import LOGGED_OUT
from tests.support.accounts import PASSWORD, make_account
from tests.support.servers import free_port, migrate, web_server

pytestmark = pytest.mark.slow

TOLD_SECONDS = 30
STREAM = "/api/system/metrics/stream"
CSRF = "csrfmiddlewaretoken"


def check_refused(config: RealmConfig) -> None:
    why = login.lack_of_account(config)
    assert "there is no account" in why
    assert "manage.py account new NAME" in why


@pytest.mark.parametrize("config", [RealmConfig(bind="0.0.0.0"), RealmConfig(public_origins=("https://x.example",))])
def test_beyond_loopback_nothing_is_served_without_an_account(config: RealmConfig, db: None) -> None:
    User.objects.create_user("gone", is_active=False)
    check_refused(config)
    User.objects.create_user("mira")
    assert not login.lack_of_account(config)
    assert not login.lack_of_account(RealmConfig())


def test_twin_that_looks_for_no_account(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(login, "_is_anybody_here", lambda: True)
    with pytest.raises(AssertionError):
        check_refused(RealmConfig(bind="0.0.0.0"))


def test_the_weaver_starts_nothing_either(
    world: World, db: None, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weave, "make_ready", lambda world: None)
    settings.REALM = replace(realm_settings.REALM, bind="0.0.0.0")
    with pytest.raises(WeaverError, match=r"manage\.py account new NAME"):
        weave.prepare()


def test_the_web_process_ends_before_it_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """However it is started; `scripts/campaign.sh doors` starts it by hand."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "")
    monkeypatch.setattr(configuration, "with_django", lambda settings, service: None)
    monkeypatch.setattr("django.core.asgi.get_asgi_application", lambda: None)
    monkeypatch.setattr(login, "lack_of_account", lambda config: "there is no account")
    with pytest.raises(SystemExit, match="The Tavern does not open: there is no account"):
        runpy.run_path(str(CHECKOUT / "realm" / "asgi.py"))


@dataclass(frozen=True)
class Door:
    world: World
    port: int

    @contextmanager
    def asked(self, method: str, path: str, cookies: SimpleCookie | None = None, **form: str) -> Iterator[Any]:
        """The answer, of whose body nothing is read yet."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=TOLD_SECONDS)
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": spelled(cookies)}
        with closing(connection):
            connection.request(method, path, urlencode(form) if form else None, headers)
            with connection.getresponse() as answer:
                yield answer

    def ask(self, method: str, path: str, cookies: SimpleCookie | None = None, **form: str) -> Any:
        with self.asked(method, path, cookies, **form) as answer:
            answer.read()
            return answer

    def logged_in(self) -> SimpleCookie:
        cookies = taken(self.ask("GET", "/login"))
        form = {"username": "mira", "password": PASSWORD, CSRF: self.token(cookies)}
        answer = self.ask("POST", "/login", cookies, **form)
        assert answer.status == 302
        return taken(answer)

    def token(self, cookies: SimpleCookie) -> str:
        return cookies[f"realm-csrf-{self.port}"].value


def taken(answer: Any) -> SimpleCookie:
    cookies: SimpleCookie = SimpleCookie()
    for value in answer.headers.get_all("Set-Cookie"):
        cookies.load(value)
    return cookies


def spelled(cookies: SimpleCookie | None) -> str:
    return "; ".join(f"{name}={morsel.value}" for name, morsel in (cookies or {}).items())


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    world = World(tmp_path_factory.mktemp("open") / "world")
    world.create()
    migrate(world)
    port = free_port()
    make_account(world, "mira")
    with web_server(world, port, REALM_BIND="0.0.0.0"):
        yield Door(world, port)


def test_who_is_not_logged_in_gets_no_page_stream_or_socket(door: Door) -> None:
    assert door.ask("GET", "/").getheader("Location") == "/login?next=%2F"
    assert door.ask("GET", STREAM).status == 401
    assert door.ask("GET", "/metrics").status == 401
    with pytest.raises(InvalidStatus, match="403"):
        connect(f"ws://127.0.0.1:{door.port}/ws/battle/")


def test_its_own_programs_know_it_and_others_do_not(door: Door) -> None:
    assert not identity.trouble(door.world, TAVERN, "0.0.0.0", door.port, seconds=TOLD_SECONDS)
    other = World(door.world.home.with_name("other"))
    other.create()
    said = identity.trouble(other, TAVERN, "0.0.0.0", door.port, seconds=TOLD_SECONDS)
    assert said.endswith("is taken by the tavern of another world")


def test_sockets_and_streams_end_with_their_session(door: Door) -> None:
    """Ended from another device."""
    cookies, other = door.logged_in(), door.logged_in()
    address, headers = f"ws://127.0.0.1:{door.port}/ws/battle/", {"Cookie": spelled(cookies)}
    with door.asked("GET", STREAM, cookies) as streamed, connect(address, additional_headers=headers) as socket:
        assert (streamed.status, "snapshot" in str(socket.recv(TOLD_SECONDS))) == (200, True)
        assert door.ask("POST", "/account/sessions", other, **{CSRF: door.token(other)}).status == 302
        with suppress(ConnectionClosedError):
            for _ in socket:
                pass
        assert socket.protocol.close_rcvd is not None
        assert socket.protocol.close_rcvd.code == LOGGED_OUT
        streamed.read()  # to its end
    assert [door.ask("GET", "/account", each).status for each in (cookies, other)] == [302, 200]
