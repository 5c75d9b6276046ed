"""The Tavern behind a real nginx with TLS, by the configuration that is shipped: pages, sockets, events, uploads."""

from __future__ import annotations

import json
import re
import shutil
import ssl
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin

from realm.web import tokens
from realm.world import World
from tests.support.accounts import PASSWORD, make_account
from tests.support.nginx import NAME, Site, nginx
from tests.support.servers import free_port, migrate, web_server

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not shutil.which("nginx"), reason="nginx is not installed"),
]
EVIL = "https://evil.example"
LARGE_BYTES = 20 * 1024**2


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("proxied")


@pytest.fixture(scope="module")
def site(home: Path) -> Iterator[Site]:
    world = World(home / "world")
    world.create()
    migrate(world)
    make_account(world, "ada")
    port, inner = free_port(), free_port()
    settings = {"REALM_PUBLIC_ORIGINS": f"https://{NAME}:{port}", "REALM_TRUSTED_PROXIES": "127.0.0.1"}
    with web_server(world, inner, **settings), nginx(home / "nginx", port, inner) as site:
        yield site


@pytest.fixture(scope="module")
def visitor(site: Site) -> Iterator[httpx2.Client]:
    """Of somebody who has logged in."""
    with site.browser() as visitor:
        form = visitor.get("/login")
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form.text)
        assert token
        told = {"csrfmiddlewaretoken": token[1], "username": "ada", "password": PASSWORD}
        done = visitor.post("/login", data=told, headers={"Origin": site.origin})
        assert done.status_code == 302, done.text
        for answer in (form, done):
            assert answer.headers.get_list("Set-Cookie")
            assert all("; Secure" in cookie for cookie in answer.headers.get_list("Set-Cookie"))
        yield visitor


def cookies(visitor: httpx2.Client) -> str:
    return "; ".join(f"{cookie.name}={cookie.value}" for cookie in visitor.cookies.jar)


def test_who_has_logged_in_by_https_sees_the_pages(site: Site, visitor: httpx2.Client) -> None:
    with site.browser() as stranger:
        assert stranger.get("/quests").status_code in (302, 401)
    page = visitor.get("/quests")
    assert page.status_code == 200
    assert "<html" in page.text


def greeting(site: Site, origin: str, **headers: str) -> object:
    address = f"wss://{site.host}/ws/battle/"
    with connect(
        address, sock=site.connection(), ssl=site.context, server_hostname=NAME, origin=Origin(origin),
        additional_headers=headers,
    ) as socket:  # fmt: skip
        return json.loads(socket.recv(timeout=30))


def test_a_websocket_passes_for_who_has_logged_in(site: Site, visitor: httpx2.Client) -> None:
    assert greeting(site, site.origin, Cookie=cookies(visitor))
    with pytest.raises(InvalidStatus):
        greeting(site, site.origin)
    with pytest.raises(InvalidStatus):
        greeting(site, EVIL, Cookie=cookies(visitor))


def test_an_event_comes_while_the_stream_is_open(visitor: httpx2.Client) -> None:
    with visitor.stream("GET", "/api/system/metrics/stream") as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        assert any(line.startswith("data:") for line in stream.iter_lines())


def test_twenty_megabytes_of_a_program_arrive_byte_by_byte(site: Site, home: Path) -> None:
    """More than nginx takes by itself, which is one megabyte."""
    token = tokens.of_world(World(home / "world")).issue("api").secret
    row = b'{"messages": [{"role": "user", "content": "%08d"}, {"role": "assistant", "content": "x"}]}\n'
    sent = b"".join(row % number for number in range(LARGE_BYTES // len(row % 0) + 1))
    with site.browser() as program:
        program.headers["Authorization"] = f"Bearer {token}"
        answer = program.post("/v1/files", data={"purpose": "fine-tune"}, files={"file": ("large.jsonl", sent)})
        assert answer.status_code == 200, answer.text
        assert answer.json()["bytes"] == len(sent)
        assert program.get(f"/v1/files/{answer.json()['id']}/content").content == sent


def test_a_foreign_page_and_a_forged_host_are_refused(site: Site, visitor: httpx2.Client) -> None:
    for origin in (EVIL, site.origin.replace("https", "http")):
        assert visitor.get("/quests", headers={"Origin": origin}).status_code == 403
    assert visitor.get("/quests", headers={"Host": "evil.example"}).status_code == 421
    with site.connection() as plain, pytest.raises(ssl.SSLError):
        site.context.wrap_socket(plain, server_hostname="evil.example")
