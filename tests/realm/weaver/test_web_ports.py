"""Further processes that serve the pages, each on a port of its own."""

from __future__ import annotations

from typing import Any

from realm.config import RealmConfig
from realm.weaver.services import services
from realm.web import served_hosts
from realm.web.guard import Guard

CONFIG = RealmConfig(web_ports=(8898, 8899))


async def nobody(scope: Any, receive: Any, send: Any) -> None:
    """What the guard stands before."""


def asked(guard: Guard, host: str, origin: str) -> int:
    """Status of the refusal, or 0."""
    headers = [(b"host", host.encode()), (b"origin", origin.encode())]
    refusal = guard.refusal({"type": "http", "method": "POST", "path": "/", "headers": headers})
    return refusal[0] if refusal else 0


def guard_of(config: RealmConfig) -> Guard:
    hosts = served_hosts.of_server(config.bind, config.port, other_ports=config.web_ports)
    return Guard(nobody, port=config.port, hosts=hosts)


def test_each_is_a_service_that_is_told_its_port() -> None:
    found = {service.name: service for service in services(CONFIG)}
    assert (found["tavern-8898"].port, found["tavern-8899"].port, found["tavern"].port) == (8898, 8899, 8888)
    assert "8898" in found["tavern-8898"].arguments
    assert {service.name for service in services(RealmConfig())} == found.keys() - {"tavern-8898", "tavern-8899"}


def test_each_goes_by_its_own_name_and_is_asked_by_its_own_pages() -> None:
    guard = guard_of(CONFIG)
    assert asked(guard, "127.0.0.1:8898", "http://127.0.0.1:8898") == 0
    assert asked(guard, "127.0.0.1:8898", "http://127.0.0.1:8888") == 403
    assert asked(guard, "127.0.0.1:8897", "http://127.0.0.1:8897") == 421


def test_twin_a_port_that_is_not_in_the_settings_is_none_of_ours() -> None:
    assert asked(guard_of(RealmConfig()), "127.0.0.1:8898", "http://127.0.0.1:8898") == 421
