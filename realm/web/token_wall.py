"""Nobody without a token: what stands before a server that listens beyond loopback. No Django."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable

from realm.web.client_address import PASSED_ON_KEY
from realm.web.guard import Application, Message, Receive, Scope, Send
from realm.web.problems import problem_body
from realm.web.tokens import KnownToken, TokenStore, bearer

TOKEN_KEY = "realm.token"
"""In the scope of a request that came with a good token: its KnownToken."""
LOOK_SECONDS = 2.0
"""After which a token is looked at again while bytes flow."""
_UNAUTHORIZED = 401


class TokenWall:
    """Lets a request in whose Authorization holds a token that is good for one of `purposes_of(scope)`.

    Where `required` is false all of this machine get in, and a good token tells only who asks; not so what a proxy
    has passed on of which the player has said nothing.
    """

    def __init__(
        self,
        application: Application,
        store: TokenStore,
        *,
        purposes_of: Callable[[Scope], Iterable[str]],
        zone: str | None = None,
        required: bool = True,
        remedy: str = "`manage.py tokens new` makes one",
    ) -> None:
        """`remedy` is how one comes by a token."""
        self._application, self._store, self._purposes_of = application, store, purposes_of
        self._zone, self._required, self._remedy = zone, required, remedy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        secret = _secret(scope)
        token = await asyncio.to_thread(self._known, secret, scope) if secret else None
        is_required = self._required or PASSED_ON_KEY in scope
        if token is None and is_required:
            sentence = "Its token is not good for this." if secret else "A token is needed."
            await _refuse(send, scope, f"{sentence} Send it as 'Authorization: Bearer rot_…'; {self._remedy}.")
            return
        known = {**scope, TOKEN_KEY: token} if token else scope
        if not is_required:
            await self._application(known, receive, send)
            return
        still = _Still(lambda: self._known(secret, scope) is not None, receive, send)
        try:
            await self._application(known, still.receive, still.send)
        except Exception:
            if still.is_good:
                raise

    def _known(self, secret: str, scope: Scope) -> KnownToken | None:
        found = (self._store.check(secret, purpose, zone=self._zone) for purpose in self._purposes_of(scope))
        return next((token for token in found if token), None)


class _Still:
    """Both ways of a request for as long as its token is good: bytes may flow for hours after they were asked for."""

    def __init__(self, is_good: Callable[[], bool], receive: Receive, send: Send) -> None:
        self._look, self._receive, self._send = is_good, receive, send
        self._next = time.monotonic() + LOOK_SECONDS
        self.is_good = True

    async def receive(self) -> Message:
        message = await self._receive()
        return message if await self._is_still_good() else {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """Raises _Revoked: an answer that is not whole ends the connection."""
        if not await self._is_still_good():
            raise _Revoked
        await self._send(message)

    async def _is_still_good(self) -> bool:
        if self.is_good and time.monotonic() >= self._next:
            self.is_good = await asyncio.to_thread(self._look)
            self._next = time.monotonic() + LOOK_SECONDS
        return self.is_good


class _Revoked(Exception):
    """In the middle of an answer."""


def _secret(scope: Scope) -> str:
    """Of the one Authorization header; two are none."""
    values = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    return bearer(values[0].decode("latin-1")) if len(values) == 1 else ""


async def _refuse(send: Send, scope: Scope, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    kind, body = problem_body(sentence, status=_UNAUTHORIZED, path=scope.get("path", ""))
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": _UNAUTHORIZED, "headers": headers})
    await send({"type": "http.response.body", "body": body})
