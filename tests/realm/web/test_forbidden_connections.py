"""No library of this process reaches the addresses where a machine's credentials lie, whatever names resolve to."""

from __future__ import annotations

import asyncio
import http.client
import socket
import urllib.request
from collections.abc import Callable
from contextlib import suppress

import httpx2
import pytest

from guild.errors import GuildError
from guild.trainers.http import HttpTrainer
from realm.web import forbidden_connections, outbound
from realm.web.forbidden_connections import ForbiddenConnection
from tests.support.forbidden_hosts import ADDRESS, metadata_server, rebind
from vault.errors import VaultError
from vault.zones.client import ZoneClient

NAME = "rebinding.example"


def by_socket(host: str, port: int) -> None:
    connection = http.client.HTTPConnection(host, port, timeout=10)
    try:
        connection.request("GET", "/by-socket")
        connection.getresponse().read()
    finally:
        connection.close()


def by_urllib(host: str, port: int) -> None:
    urllib.request.urlopen(f"http://{host}:{port}/by-urllib", timeout=10).close()


def by_httpx(host: str, port: int) -> None:
    with httpx2.Client(trust_env=False) as client:
        client.get(f"http://{host}:{port}/by-httpx")


def by_asyncio(host: str, port: int) -> None:
    async def ask() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /by-asyncio HTTP/1.0\r\n\r\n")
        await reader.read()
        writer.close()

    asyncio.run(ask())


def by_outbound(host: str, port: int) -> None:
    outbound.ask_once(f"http://{host}:{port}", "GET", "/by-outbound", seconds=10, largest_bytes=100)


def by_zone(host: str, port: int) -> None:
    ZoneClient("3090", f"http://{host}:{port}").status()


def by_trainer(host: str, port: int) -> None:
    HttpTrainer("binary", f"http://{host}:{port}", [{}]).sample(level=1, count=1, seed=1)


WAYS: list[Callable[[str, int], None]] = [
    by_socket, by_urllib, by_httpx, by_asyncio, by_outbound, by_zone, by_trainer,
]  # fmt: skip
REFUSALS = (OSError, VaultError, GuildError, *outbound.FAILURES)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_leaves_for_a_forbidden_address(
    way: Callable[[str, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    with metadata_server(monkeypatch) as server:
        rebind(monkeypatch, NAME, "127.0.0.1", ADDRESS)
        for host in (ADDRESS, NAME, NAME):
            with pytest.raises(REFUSALS):
                way(host, server.port)
        assert server.asked == []


def test_twin_without_the_look_at_each_connection_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forbidden_connections, "_check", lambda address: None)
    monkeypatch.setattr(outbound, "is_forbidden", lambda address: False)
    with metadata_server(monkeypatch) as server:
        rebind(monkeypatch, NAME, "127.0.0.1", ADDRESS)
        for way in WAYS:
            for _ in range(2):
                with suppress(*REFUSALS):
                    way(NAME, server.port)
        assert len(server.asked) >= len(WAYS)


def test_the_refusal_names_the_address() -> None:
    forbidden_connections.refuse()
    with socket.socket() as connection, pytest.raises(ForbiddenConnection, match=r"169\.254\.169\.254 is where no"):
        connection.connect(("169.254.169.254", 80))
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender, pytest.raises(ForbiddenConnection):
        sender.sendto(b"a", ("169.254.169.254", 53))
