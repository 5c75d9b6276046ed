"""Nobody without a token: what stands before a server that listens beyond loopback. No Django."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterable

from realm.web.guard import Application, Receive, Scope, Send
from realm.web.tokens import KnownToken, TokenStore, bearer

TOKEN_KEY = "realm.token"
"""In the scope of a request that came with a good token: its KnownToken."""
_UNAUTHORIZED = 401


class TokenWall:
    """Lets a request in whose Authorization holds a token that is good for one of `purposes_of(scope)`.

    Where `required` is false all get in, and a good token tells only who asks.
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
        if token is None and self._required:
            sentence = "Its token is not good for this." if secret else "A token is needed."
            await _refuse(send, scope, f"{sentence} Send it as 'Authorization: Bearer rot_…'; {self._remedy}.")
            return
        await self._application({**scope, TOKEN_KEY: token} if token else scope, receive, send)

    def _known(self, secret: str, scope: Scope) -> KnownToken | None:
        found = (self._store.check(secret, purpose, zone=self._zone) for purpose in self._purposes_of(scope))
        return next((token for token in found if token), None)


def _secret(scope: Scope) -> str:
    """Of the one Authorization header; two are none."""
    values = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
    return bearer(values[0].decode("latin-1")) if len(values) == 1 else ""


async def _refuse(send: Send, scope: Scope, sentence: str) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    body = json.dumps({"success": False, "error": sentence}, ensure_ascii=False).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"www-authenticate", b"Bearer"),
        (b"cache-control", b"no-store"),
        (b"connection", b"close"),
    ]
    await send({"type": "http.response.start", "status": _UNAUTHORIZED, "headers": headers})
    await send({"type": "http.response.body", "body": body})
