"""What every answer tells a browser, whatever made it: pages, refusals, files, streams, of every server. No Django.

An answer that says something of its own keeps that; here stands what holds for all others.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from realm.web.guard import Application, Message, Receive, Scope, Send

STATIC_PREFIX = "/static/"
"""What lies below may be kept by browsers: it is the same for everybody."""
_ALWAYS: dict[bytes, bytes] = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"content-security-policy": b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}
"""The policy is that of what is no page; pages bring a wider one (`CONTENT_SECURITY_POLICY`)."""
_NOT_KEPT = (b"cache-control", b"no-store")

Headers = Iterable[tuple[bytes, bytes]]


def completed(headers: Headers, *, path: str) -> list[tuple[bytes, bytes]]:
    """The headers of an answer at `path`, with those that it lacks."""
    own = list(headers)
    has = {name.lower() for name, _ in own}
    wanted = dict(_ALWAYS) if path.startswith(STATIC_PREFIX) else _ALWAYS | dict([_NOT_KEPT])
    return own + [(name, value) for name, value in wanted.items() if name not in has]


def lines(*, path: str) -> str:
    """All of them as they stand in an answer's head, each line ended."""
    return "".join(f"{name.decode().title()}: {value.decode()}\r\n" for name, value in completed((), path=path))


class AnswerHeaders:
    """Stands outermost, so that the answers of guards and walls are completed, too."""

    def __init__(self, application: Application) -> None:
        self._application = application

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._application(scope, receive, send)
            return

        async def complete(message: Message) -> None:
            await send(completed_start(message, path=scope.get("path", "")))

        await self._application(scope, receive, complete)


def completed_start(message: Message, *, path: str) -> dict[str, Any]:
    """The message that begins an answer with its headers completed; any other as it is."""
    if message["type"] != "http.response.start":
        return dict(message)
    return {**message, "headers": completed(message.get("headers", ()), path=path)}
