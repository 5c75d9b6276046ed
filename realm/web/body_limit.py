"""A request with a body is judged on its headers, and must be whole in time, before a byte of the body is kept.

daphne puts a whole body into memory before the application, and with it the guard, sees the request; Twisted parses a
form's body once more, at many times its size, for nobody. Anybody's page could stop the server so. Large quests come
in slices.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from daphne import http_protocol  # type: ignore[import-untyped]

from realm.disk import room
from realm.web import held_body
from realm.web.body_sizes import largest_body_bytes
from realm.web.guard import Guard
from realm.web.problems import refusal_body

HEAD_SECONDS = 30.0
"""From the connection, or the end of the last answer, to the end of a request's head."""
BODY_SECONDS = 300.0


class Deadline:
    """Ends a connection whose next request is not whole in time, however busily it trickles."""

    def __init__(self, end: Callable[[], None], call_later: Callable[..., Any]) -> None:
        self._end, self._call_later = end, call_later
        self._call: Any = None

    def set(self, seconds: float) -> None:
        self.clear()
        self._call = self._call_later(seconds, self._end)

    def clear(self) -> None:
        if self._call and self._call.active():
            self._call.cancel()


class BoundedRequest(http_protocol.WebRequest):  # type: ignore[misc]
    def __init__(self, *arguments: Any, guard: Guard, deadline: Deadline) -> None:
        super().__init__(*arguments, parsePOSTFormSubmission=False)  # Django reads it, once
        self._guard, self._deadline = guard, deadline
        self._is_refused = self._is_large = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Told by Twisted once the headers are read; None: the body's length is not declared."""
        refusal = None if length == 0 else self._refusal(length)
        super().gotLength(0 if refusal else length)
        self._is_large = length is not None and length > held_body.LARGE_BYTES
        self._deadline.set(BODY_SECONDS)
        if refusal:
            self._is_refused = True
            self.channel.transport.write(_answer(*refusal, path=self._asked_path))
            self.channel.loseConnection()

    @property
    def _asked_path(self) -> str:
        """Its channel alone knows it yet."""
        return unquote(self.channel._path.partition(b"?")[0].decode("latin-1"))

    def _refusal(self, length: int | None) -> tuple[int, str] | None:
        headers = [(name, value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values]
        kind = "websocket" if self.requestHeaders.hasHeader(b"Upgrade") else "http"
        method = self.channel._command.decode("latin-1")
        refusal = self._guard.refusal({"type": kind, "method": method, "headers": headers})
        if refusal:
            return refusal
        most = largest_body_bytes(self._asked_path)
        if length is None or length > most:
            words = f"A request holds at most {most} bytes here and says how many. Put larger files into the inbox."
            return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, words
        return None if length <= held_body.LARGE_BYTES else _lack_of_room(length)

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802
        if not self._is_refused:
            super().handleContentChunk(data)

    def requestReceived(self, *arguments: Any) -> None:  # noqa: N802
        self._deadline.clear()
        if not self._is_refused:
            super().requestReceived(*arguments)

    def process(self) -> Any:
        if self._is_large:
            held_body.hold(self)
        return super().process()

    def finish(self) -> None:
        self._deadline.set(HEAD_SECONDS)
        super().finish()


def _lack_of_room(length: int) -> tuple[int, str] | None:
    """Twisted keeps a large body in a temp file of the system's until it is whole."""
    try:
        room.check(Path(tempfile.gettempdir()), length)
    except OSError as error:
        return HTTPStatus.INSUFFICIENT_STORAGE, str(error)
    return None


def _is_sending(transport: Any) -> bool:
    """Whether an answer is still on its way out; Twisted keeps it in two places, and says so of neither."""
    held = getattr(transport, "dataBuffer", b"")
    return len(held) > getattr(transport, "offset", 0) or bool(getattr(transport, "_tempDataBuffer", None))


def _answer(status: int, sentence: str, *, path: str) -> bytes:
    kind, body = refusal_body(sentence, status=status, path=path)
    head = (
        f"HTTP/1.1 {int(status)} {HTTPStatus(status).phrase}\r\nContent-Type: {kind.decode()}\r\n"
        f"X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def limit(guard: Guard) -> None:
    """From now on, for every connection that daphne accepts; it has no setting for it."""
    factory: Any = http_protocol.HTTPFactory
    build = factory.buildProtocol

    def bounded(self: Any, address: Any) -> Any:
        connection = build(self, address)
        channel = connection._channel

        def end() -> None:
            if _is_sending(channel.transport):  # to somebody slow, who cannot ask before all has come
                deadline.set(HEAD_SECONDS)
            else:
                channel.transport.abortConnection()

        deadline = Deadline(end, channel.callLater)
        connection.requestFactory = partial(BoundedRequest, guard=guard, deadline=deadline)
        deadline.set(HEAD_SECONDS)
        return connection

    factory.buildProtocol = bounded
