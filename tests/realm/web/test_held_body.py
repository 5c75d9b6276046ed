"""A large body reaches the application whole and in order, without lying in daphne's queue; small ones as ever."""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any

import pytest

from realm.web import held_body, whole_body
from realm.web.guard import Message
from realm.web.held_body import HeldBody
from realm.web.whole_body import StreamedBody

BODY = bytes(range(256)) * 40


class Daphne:
    """What its server does with a request: all that the content gives lies in the queue at once."""

    def __init__(self) -> None:
        self.queued = 0
        self.scope: dict[str, Any] = {}

    def create_application(self, protocol: Any, scope: dict[str, Any]) -> Any:
        self.scope = scope
        return self

    def process(self, request: Any) -> list[Message]:
        request.server.create_application(request, {"type": "http"})
        piece = request.content.read()
        self.queued = len(piece)
        return [{"type": "http.request", "body": piece, "more_body": False}, {"type": "http.disconnect"}]


class Request:
    def __init__(self, server: Daphne) -> None:
        self.server: Any = server
        self.content = BytesIO(BODY)


async def told_to(application: Any, scope: dict[str, Any], messages: list[Message]) -> list[Message]:
    heard: list[Message] = []

    async def inner(scope: Any, receive: Any, send: Any) -> None:
        assert held_body._KEY not in scope
        while not heard or heard[-1]["type"] != "http.disconnect":
            heard.append(await receive())

    async def receive() -> Message:
        return messages.pop(0)

    await application(inner)(scope, receive, None)
    return heard


@pytest.mark.parametrize("is_held", [True, False])
def test_a_body_comes_whole_and_the_queue_holds_none_of_it(is_held: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(held_body, "PIECE_BYTES", 1000)
    daphne = Daphne()
    request = Request(daphne)
    body = request.content
    if is_held:
        held_body.hold(request)
    messages = daphne.process(request)
    heard = asyncio.run(told_to(HeldBody, daphne.scope, messages))
    assert b"".join(message.get("body", b"") for message in heard) == BODY
    assert [message.get("more_body", False) for message in heard][-2:] == [False, False]
    assert daphne.queued == (0 if is_held else len(BODY))  # the twin: without `hold` all of it lies there
    assert body.closed == is_held


def statuses(headers: list[tuple[bytes, bytes]], messages: list[Message], *, largest: int = 10) -> list[Any]:
    """What a client hears, or the application does."""
    found: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while not found or found[-1] not in ("end", "http.disconnect"):
            message = await receive()
            found.append(message["type"] if message["type"] != "http.request" else len(message["body"]))
            if not message.get("more_body", False):
                found.append("end")

    async def receive() -> Message:
        if not messages:
            await asyncio.sleep(3600)
        return messages.pop(0)

    async def send(message: Message) -> None:
        found.append(message.get("status", message.get("body")))

    scope = {"type": "http", "path": "/v1/files", "method": "POST", "headers": headers}
    asyncio.run(StreamedBody(application, largest_bytes=largest)(scope, receive, send))
    return found


def test_a_file_streams_in_and_says_how_long_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    pieces: list[Message] = [
        {"type": "http.request", "body": b"1234", "more_body": True},
        {"type": "http.request", "body": b"56", "more_body": False},
    ]
    assert statuses([(b"content-length", b"6")], pieces[:]) == [4, 6 - 4, "end"]
    assert statuses([(b"content-length", b"11")], [])[0] == 413
    assert b'"error": {"message"' in statuses([], [])[1]
    assert statuses([], [])[0] == 411
    monkeypatch.setattr(whole_body, "UPLOAD_SECONDS", 0.01)
    assert statuses([(b"content-length", b"6")], pieces[:1]) == [4, "http.disconnect", "end"]
