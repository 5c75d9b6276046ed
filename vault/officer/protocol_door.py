"""Before a branch officer looks at a request: does it speak our protocol? Each answer says which one that is."""

from __future__ import annotations

import json

from realm.web.guard import Application, Message, Receive, Scope, Send
from vault.officer.wire import PROTOCOL, PROTOCOL_HEADER, other_protocol

_HEADER = PROTOCOL_HEADER.lower().encode()
_BAD_REQUEST = 400


class ProtocolDoor:
    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (_HEADER, PROTOCOL.encode())]
            await send(message)

        said = [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == _HEADER]
        if said in ([], [PROTOCOL]):
            await self._application(scope, receive, telling)
        else:
            await _refuse(telling, other_protocol(said[0], who="whoever asks"))


async def _refuse(send: Send, sentence: str) -> None:
    body = json.dumps({"success": False, "error": sentence}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": _BAD_REQUEST, "headers": headers})
    await send({"type": "http.response.body", "body": body})
