"""Bodies of bounded size and time before an application that wants them whole, such as Django. No Django."""

from __future__ import annotations

import asyncio
import time

from starlette.requests import ClientDisconnect, Request

from realm.web import bodies
from realm.web.guard import Application, Message, Receive, Scope, Send
from realm.web.problems import problem_body

_LENGTH_REQUIRED, _TOO_LARGE, _TOO_SLOW = 411, 413, 408
UPLOAD_SECONDS = 300.0


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
            await _refuse(scope, send, _TOO_LARGE, str(error))
        except bodies.TooSlow as error:
            await _refuse(scope, send, _TOO_SLOW, str(error))
        except ClientDisconnect:
            pass
        else:
            await self._application(scope, _once(body, receive), send)


class StreamedBody:
    """The same for files: the body goes on piece by piece as it comes, for an application that writes it to disk."""

    def __init__(self, application: Application, *, largest_bytes: int) -> None:
        self._application, self._largest_bytes = application, largest_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        declared = Request(scope).headers.get("content-length", "")
        if not declared.isdecimal():
            await _refuse(scope, send, _LENGTH_REQUIRED, "a file is sent with its length in Content-Length")
        elif int(declared[:20]) > self._largest_bytes:
            await _refuse(scope, send, _TOO_LARGE, f"a request holds at most {self._largest_bytes} bytes here")
        else:
            await self._application(scope, _in_time(receive, UPLOAD_SECONDS), send)


def _in_time(receive: Receive, seconds: float) -> Receive:
    """A body that is not whole by then counts as given up by its client."""
    end, is_whole = time.monotonic() + seconds, False

    async def timed() -> Message:
        nonlocal is_whole
        if is_whole:
            return await receive()
        try:
            message = await asyncio.wait_for(receive(), end - time.monotonic())
        except TimeoutError:
            return {"type": "http.disconnect"}
        is_whole = not message.get("more_body", False)
        return message

    return timed


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


async def _refuse(scope: Scope, send: Send, status: int, sentence: str) -> None:
    kind, body = problem_body(sentence, status=status, path=scope.get("path", ""))
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
