"""Bodies of bounded size and time before an application that wants them whole, such as Django. No Django."""

from __future__ import annotations

import json

from starlette.requests import ClientDisconnect, Request

from realm.web import bodies
from realm.web.guard import Application, Message, Receive, Scope, Send
from realm.web.problems import MEDIA_TYPE, problem

_TOO_LARGE, _TOO_SLOW = 413, 408


class WholeBody:
    def __init__(self, application: Application, *, largest_bytes: int) -> None:
        self._application, self._largest_bytes = application, largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        try:
            body = await bodies.receive(Request(scope, receive), largest_bytes=self._largest_bytes)
        except bodies.TooLarge as error:
            await _refuse(send, _TOO_LARGE, str(error), path=scope["path"])
        except bodies.TooSlow as error:
            await _refuse(send, _TOO_SLOW, str(error), path=scope["path"])
        except ClientDisconnect:
            pass
        else:
            await self._application(scope, _once(body, receive), send)


def _once(body: bytes, receive: Receive) -> Receive:
    """Gives the body, then what comes after it: the client's leaving."""
    given = False

    async def whole() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return whole


async def _refuse(send: Send, status: int, sentence: str, *, path: str) -> None:
    body = json.dumps(problem(sentence, status=status, instance=path)).encode()
    headers = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": [*headers, (b"connection", b"close")]})
    await send({"type": "http.response.body", "body": body})
