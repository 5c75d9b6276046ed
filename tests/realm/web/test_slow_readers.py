"""A message for a client that does not read waits before daphne, whose transport would keep it without a bound."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from daphne import server  # type: ignore[import-untyped]

from realm.web import slow_readers

LARGE = slow_readers.MOST_KEPT_BYTES + 1


class Transport:
    connected = True
    offset = 0

    def __init__(self, kept: int) -> None:
        self.dataBuffer = b"x" * kept
        self._tempDataLen = 0


class Connections:
    """What is left of daphne's server."""

    def __init__(self) -> None:
        self.handed_on: list[Any] = []

    async def handle_reply(self, protocol: Any, message: Any) -> None:
        self.handed_on.append(message)


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slow_readers, "_LOOK_SECONDS", 0.0)
    monkeypatch.setattr(server.Server, "handle_reply", Connections.handle_reply)
    slow_readers.wait_for()


async def sent_to(protocol: Any, *, and_then: Any = lambda: None) -> bool:
    """Whether it was handed on before, and not only after, something happened."""
    connections = Connections()
    sending = asyncio.create_task(server.Server.handle_reply(connections, protocol, "message"))
    for _ in range(5):
        await asyncio.sleep(0)
    at_once = bool(connections.handed_on)
    and_then()
    await sending
    assert connections.handed_on == ["message"]
    return at_once


@pytest.mark.usefixtures("patient")
async def test_a_message_waits_until_what_is_kept_has_gone() -> None:
    for has in ("channel", "itself"):
        transport = Transport(LARGE)
        own = SimpleNamespace(transport=transport)
        protocol = SimpleNamespace(channel=own) if has == "channel" else own
        assert not await sent_to(protocol, and_then=lambda transport=transport: setattr(transport, "offset", LARGE))
        transport._tempDataLen = LARGE
        assert not await sent_to(protocol, and_then=lambda transport=transport: setattr(transport, "connected", False))


@pytest.mark.usefixtures("patient")
async def test_nothing_else_waits() -> None:
    assert await sent_to(SimpleNamespace(transport=Transport(1000)))
    assert await sent_to(SimpleNamespace(channel=None)), "its connection is gone"


async def test_twin_daphne_hands_everything_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.Server, "handle_reply", Connections.handle_reply)
    assert await sent_to(SimpleNamespace(transport=Transport(LARGE)))
