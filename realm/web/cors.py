"""Pages of other programs may ask the API from a browser: those of exactly the origins that the player lists (CORS).

They come as programs do, with a token where one is needed: their requests lose cookies and answers never allow them,
so nobody's login acts for another page. Pages, sockets and everything outside the API stay closed to them.
"""

from __future__ import annotations

from collections.abc import Iterable

from realm.web.guard import Guard, Message, Receive, Scope, Send
from realm.web.problems import API_PREFIX, OPENAI_PREFIX

METHODS = b"GET, HEAD, POST, PUT, PATCH, DELETE"
HEADERS = b"Authorization, Content-Type, Last-Event-ID"
EXPOSED = b"Content-Disposition, ETag, Location, Retry-After"
KNOWN_SECONDS = b"600"
"""For so long a browser asks no more whether it may ask."""
_NO_CONTENT = 204
_BROWSERS = (b"origin", b"cookie")
_BROWSERS_OWN = b"sec-fetch-"


class Cors:
    """Before a guard, which judges all else: the Host of these requests, too."""

    def __init__(self, guard: Guard, allowed: Iterable[str]) -> None:
        self._guard, self._allowed = guard, frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._allowed or not _is_api(scope):
            await self._guard(scope, receive, send)
            return
        origin = self._allowed_origin(scope)
        if not origin or self._guard.refusal(scope) is None:  # nobody's page, or this server's own
            await self._guard(scope, receive, _adding(send, [(b"vary", b"Origin")]))
        elif _is_preflight(scope) and self.refusal(scope) is None:
            await _permit(scope, send, origin)
        else:
            headers = [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", EXPOSED)]
            await self._guard(_as_a_program(scope), receive, _adding(send, [*headers, (b"vary", b"Origin")]))

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """The guard's, by a scope's type, method, path and headers alone."""
        refusal = self._guard.refusal(scope)
        is_allowed = refusal and self._allowed and _is_api(scope) and self._allowed_origin(scope)
        return self._guard.refusal(_as_a_program(scope)) if is_allowed else refusal

    def _allowed_origin(self, scope: Scope) -> bytes:
        """Empty where there is none, or several, or another."""
        values = [value for name, value in scope["headers"] if name.lower() == b"origin"]
        is_listed = len(values) == 1 and values[0].decode("latin-1") in self._allowed
        return bytes(values[0]) if is_listed else b""


def _is_api(scope: Scope) -> bool:
    path: str = scope["path"] if scope["type"] == "http" else ""
    return path.startswith((API_PREFIX, OPENAI_PREFIX))


def _is_preflight(scope: Scope) -> bool:
    asked = (name.lower() for name, _ in scope["headers"])
    return scope["method"] == "OPTIONS" and b"access-control-request-method" in asked


def _as_a_program(scope: Scope) -> Scope:
    """Without what only a browser says, and the cookies of whoever sits before it."""
    kept = [
        (name, value)
        for name, value in scope["headers"]
        if name.lower() not in _BROWSERS and not name.lower().startswith(_BROWSERS_OWN)
    ]
    return {**scope, "headers": kept}


def _adding(send: Send, headers: list[tuple[bytes, bytes]]) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message.get("headers", ()), *headers]}
        await send(message)

    return sent


async def _permit(scope: Scope, send: Send, origin: bytes) -> None:
    headers = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", HEADERS),
        (b"access-control-max-age", KNOWN_SECONDS),
        (b"vary", b"Origin"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": _NO_CONTENT, "headers": headers})
    await send({"type": "http.response.body", "body": b""})
