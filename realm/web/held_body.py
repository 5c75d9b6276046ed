"""A large body of a request to daphne goes to the application from the file in which it came, piece by piece.

daphne reads it into its queue at once, so that an upload of 500 MB would take as much memory of the web server.
"""

from __future__ import annotations

import asyncio
from io import BytesIO
from typing import Any, BinaryIO

from realm.web.guard import Application, Message, Receive, Scope, Send

LARGE_BYTES = 4 * 1024**2
PIECE_BYTES = 1024**2
_KEY = "realm.body"


class _Server:
    """daphne's own as one request knows it: the application that it makes finds the body in its scope."""

    def __init__(self, server: Any, body: BinaryIO) -> None:
        self._server, self._body = server, body

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def create_application(self, protocol: Any, scope: Scope) -> Any:
        return self._server.create_application(protocol, {**scope, _KEY: self._body})


def hold(request: Any) -> None:
    """Before daphne's request is processed: it sees an empty body, the application the whole one."""
    body, request.content = request.content, BytesIO()
    body.seek(0)
    request.server = _Server(request.server, body)


class HeldBody:
    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        body: BinaryIO | None = scope.pop(_KEY, None)
        if body is None:
            await self._application(scope, receive, send)
            return
        with body:
            await self._application(scope, _in_pieces(body, receive), send)


def _in_pieces(body: BinaryIO, receive: Receive) -> Receive:
    """What daphne itself has to say, the end of the body first, comes behind its pieces."""
    is_given = False

    async def pieces() -> Message:
        nonlocal is_given
        piece = b"" if is_given else body.read(PIECE_BYTES)
        if not piece:
            is_given = True
            return await receive()
        await asyncio.sleep(0)  # others' requests come between
        return {"type": "http.request", "body": piece, "more_body": True}

    return pieces
