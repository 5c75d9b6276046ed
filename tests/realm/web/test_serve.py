"""A port is had, or its taker is named."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from realm.web import identity
from realm.web.serve import CannotServe, bind_port, url_of
from realm.world import World
from tests.support.stub_host import Raw, stub_host

HEALTH = {"status": "healthy", "service": "oracle", "world": "/worlds/one"}


@pytest.mark.parametrize(
    ("health", "taker"),
    [
        ((200, HEALTH), "the oracle of /worlds/one"),
        ((200, {"status": "healthy"}), "another program"),
        ((200, [1]), "another program"),
        (Raw(body=b"<html>"), "another program"),
        (Raw(body=b'{"service": "' + b"x" * 10**6), "another program"),
    ],
)
def test_a_taken_port_is_named_with_its_taker(health: Any, taker: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with stub_host() as running:
        running.replies["GET /health"] = health
        with pytest.raises(CannotServe) as refusal:
            bind_port("127.0.0.1", running.port, remedy="set PORT")
    assert str(refusal.value) == f"port {running.port} of 127.0.0.1 is taken by {taker}; end it, or set PORT"


@pytest.mark.parametrize(
    ("health", "trouble"),
    [
        ((200, HEALTH), ""),
        ((200, HEALTH | {"world": "/worlds/two"}), "is taken by the oracle of /worlds/two"),
        ((200, HEALTH | {"service": "tavern"}), "is taken by the tavern of /worlds/one"),
        ((200, {"status": "ok"}), "is taken by another program"),
    ],
)
def test_a_service_is_known_by_its_name_and_world(health: Any, trouble: str) -> None:
    with stub_host() as running:
        running.replies["GET /health"] = health
        said = identity.trouble(World(Path("/worlds/one")), "oracle", "127.0.0.1", running.port, seconds=5)
    assert said == (f"port {running.port} of 127.0.0.1 {trouble}" if trouble else "")


def test_a_service_that_is_stuck_is_told_within_seconds() -> None:
    with socket.create_server(("127.0.0.1", 0)) as stuck:
        port = stuck.getsockname()[1]
        said = identity.trouble(World(Path("/worlds/one")), "oracle", "127.0.0.1", port, seconds=0.05)
    assert said.startswith(f"it takes connections on port {port} of 127.0.0.1 and answers none")
    said = identity.trouble(World(Path("/worlds/one")), "oracle", "127.0.0.1", port, seconds=0.05)
    assert said == f"nobody answers on port {port} of 127.0.0.1"


def test_an_address_of_another_machine_is_told() -> None:
    with pytest.raises(CannotServe, match=r"^cannot listen on 192\.0\.2\.1 port 8123: "):
        bind_port("192.0.2.1", 8123, remedy="set PORT")


def test_a_port_that_is_had_is_taken_at_once() -> None:
    with bind_port("127.0.0.1", 0, remedy="set PORT") as listening, socket.socket() as visitor:
        visitor.connect(listening.getsockname())
        with pytest.raises(CannotServe, match="is taken by another program"):
            bind_port("127.0.0.1", listening.getsockname()[1], remedy="set PORT")


def test_an_address_of_six_is_bracketed() -> None:
    assert url_of("::1", 80) == "http://[::1]:80"
