"""Answers without an end, sent when Django is done with the request.

Django holds a thread for every request until the last byte of its answer is sent, since most of its middleware is
synchronous. So a view gives an endless body over to this application around Django, which sends it as a coroutine of
the event loop: an open stream costs a few kilobytes and no thread. Head, checks and refusals stay Django's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Mapping
from contextlib import aclosing
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase, StreamingHttpResponse

from realm.web.guard import Application, Message, Receive, Scope, Send

Body = AsyncGenerator[bytes, None]
_KEY = "realm.streaming"
_LENGTH = b"content-length"


def response(request: HttpRequest, body: Body, *, headers: Mapping[str, str]) -> HttpResponseBase:
    """The answer to `request`, whose body is sent after it; of HEAD the headers alone.

    Under a server without `Streaming`, as Django's test client, Django sends the body itself, at a thread a stream.
    """
    if request.method == "HEAD":
        return HttpResponse(headers=headers)
    handed_over = getattr(request, "scope", {}).get(_KEY)
    if handed_over is None:
        return StreamingHttpResponse(body, headers=headers)
    handed_over.append(body)
    return HttpResponse(headers=headers)


class Streaming:
    """The application, and after its answer the body that a view has handed over."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return
        bodies: list[Body] = []
        client = _Client(receive)

        async def send_head(message: Message) -> None:
            if not bodies:
                await send(message)
            elif message["type"] == "http.response.start":
                kept = [(name, value) for name, value in message["headers"] if name.lower() != _LENGTH]
                await send({**message, "headers": kept})

        await self._application({**scope, _KEY: bodies}, client.receive, send_head)
        for body in bodies:
            async with aclosing(body):
                await _until_either_ends(_send(body, send), client.leaves())


class _Client:
    """Remembers that the client has left, whoever was told of it."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._has_left = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._has_left = self._has_left or message["type"] == "http.disconnect"
        return message

    async def leaves(self) -> None:
        while not self._has_left:
            await self.receive()


async def _send(body: Body, send: Send) -> None:
    async for part in body:
        await send({"type": "http.response.body", "body": part, "more_body": True})
    await send({"type": "http.response.body", "body": b""})


async def _until_either_ends(*acts: Coroutine[Any, Any, None]) -> None:
    """Cancels the others, and waits for their end. Raises what the first one raised."""
    tasks = [asyncio.ensure_future(act) for act in acts]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
