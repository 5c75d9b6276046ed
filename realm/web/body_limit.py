"""A request with a body is judged on its headers, and must be whole in time, before a byte of the body is kept.

daphne puts a whole body into memory before the application, and with it the guard, sees the request; Twisted parses a
form's body once more, at many times its size, for nobody. Anybody's page could stop the server so. Large quests come
in slices.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from daphne import http_protocol  # type: ignore[import-untyped]
from django.db import DatabaseError

from realm.disk import room
from realm.web import answer_headers, held_body
from realm.web.body_sizes import largest_body_bytes
from realm.web.cors import Cors
from realm.web.guard import Guard, Scope
from realm.web.problems import refusal_body

HEAD_SECONDS = 30.0
"""From the connection, or the end of the last answer, to the end of a request's head."""
BODY_SECONDS = 300.0
STRANGERS_BYTES = 64 * 1024
"""Of a larger body no more is read before it is known who sends it. So much comes with the head at most."""
LetsIn = Callable[[Scope], Awaitable[bool]]
"""Whether a request may bring more than a stranger's, by its head. Raises DatabaseError."""


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
    def __init__(self, *arguments: Any, guard: Guard | Cors, deadline: Deadline, lets_in: LetsIn | None = None) -> None:
        super().__init__(*arguments, parsePOSTFormSubmission=False)  # Django reads it, once
        self._guard, self._deadline, self._lets_in = guard, deadline, lets_in
        self._asking: asyncio.Future[None] | None = None
        self._is_refused = self._is_large = False

    def gotLength(self, length: int | None) -> None:  # noqa: N802
        """Told by Twisted once the headers are read; None: the body's length is not declared."""
        refusal = None if length == 0 else self._refusal(length)
        super().gotLength(0 if refusal else length)
        self._is_large = length is not None and length > held_body.LARGE_BYTES
        self._deadline.set(BODY_SECONDS)
        if refusal:
            self._refuse(*refusal)
        elif self._lets_in and (length or 0) > STRANGERS_BYTES:
            self.channel._networkProducer.pauseProducing()
            self._asking = asyncio.ensure_future(self._ask_who_sends(self._lets_in(self._scope)))

    def _refuse(self, status: int, sentence: str) -> None:
        self._is_refused = True
        self.channel.transport.write(_answer(status, sentence, path=self._asked_path))
        self.channel.loseConnection()

    async def _ask_who_sends(self, let_in: Awaitable[bool]) -> None:
        refusal = None
        try:
            if not await let_in:
                refusal = HTTPStatus.UNAUTHORIZED, "Log in, or send a token, before you send as much as this."
        except DatabaseError:
            refusal = HTTPStatus.SERVICE_UNAVAILABLE, "The database does not answer; try again later."
        if self.channel is None:  # it is gone meanwhile
            return
        if refusal:
            self._refuse(*refusal)
        self.channel._networkProducer.resumeProducing()

    @property
    def _asked_path(self) -> str:
        """Its channel alone knows it yet."""
        return unquote(self.channel._path.partition(b"?")[0].decode("latin-1"))

    @property
    def _scope(self) -> Scope:
        """As the application will see it, as far as the head tells."""
        headers = [(name.lower(), value) for name, values in self.requestHeaders.getAllRawHeaders() for value in values]
        kind = "websocket" if self.requestHeaders.hasHeader(b"Upgrade") else "http"
        method, host = self.channel._command.decode("latin-1"), getattr(self.channel.getPeer(), "host", None)
        client = [str(host), 0] if host else None
        return {"type": kind, "method": method, "path": self._asked_path, "headers": headers, "client": client}

    def _refusal(self, length: int | None) -> tuple[int, str] | None:
        refusal = self._guard.refusal(self._scope)
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

    def basic_error(self, status: int, status_text: bytes, body: str) -> None:
        """An answer of daphne's own, such as to a request that is none."""
        kind, told = refusal_body(f"{body.rstrip('.')}.", status=status, path=self._asked_path)
        headers = answer_headers.completed([(b"content-type", kind)], path=self._asked_path)
        self.handle_reply({"type": "http.response.start", "status": status, "headers": headers})
        self.handle_reply({"type": "http.response.body", "body": told})

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
        f"{answer_headers.lines(path=path)}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _refuse_rubbish(channel: Any) -> None:
    """To what is no request at all, in place of Twisted's line without any header."""
    sentence = "This is no request that the server can read."
    channel.transport.write(_answer(HTTPStatus.BAD_REQUEST, sentence, path=""))
    channel.loseConnection()


def limit(guard: Guard | Cors, lets_in: LetsIn | None = None) -> None:
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
        channel._respondToBadRequestAndDisconnect = partial(_refuse_rubbish, channel)
        connection.requestFactory = partial(BoundedRequest, guard=guard, deadline=deadline, lets_in=lets_in)
        deadline.set(HEAD_SECONDS)
        return connection

    factory.buildProtocol = bounded
