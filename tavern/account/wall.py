"""Around http and websockets: who asks, for as long as the connection lasts, and how often somebody may guess.

Pages are refused by `tavern.account.middleware`, which knows the views; a websocket, which Django's middleware never
sees, is refused here. What flows on after it was let in ends within two seconds of its session or token.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from channels.db import database_sync_to_async
from django.conf import settings
from django.db import DatabaseError
from django.http import parse_cookie

from realm.web import client_address, login
from realm.web.guard import Application, Message, Receive, Scope, Send
from realm.web.problems import refusal_body
from realm.web.token_wall import TOKEN_KEY
from realm.web.tokens import API, READ, KnownToken, TokenStore, bearer
from tavern.account.attempts import Attempts
from tavern.account.sessions import account_of
from tavern.account.turns import TooMany, Turns

LOOK_SECONDS = 1.0
LOGGED_OUT = 4401
"""With which a websocket is closed whose session has ended."""
GUESSED_AT = ("/login", "/phone", "/account/password", "/admin/login/")
MOST_GUESSES, GUESSES_SECONDS = 30, 300.0
MOST_BAD_TOKENS, BAD_TOKENS_SECONDS = 30, 60.0
_UNWATCHED = (*GUESSED_AT, "/logout", "/livez", "/favicon.ico")
"""They are open to all, or end the session themselves, and answer at once."""
_TOO_MANY = 429
_TURN_SECONDS = 5
_ASKING = ("GET", "HEAD")


class LoginWall:
    def __init__(self, application: Application, store: TokenStore, *, processes: int = 1) -> None:
        """`processes` answer under the same names, each with its share of the guesses."""
        self._application, self._store = application, store
        self._guesses = Attempts(most=max(1, MOST_GUESSES // processes), seconds=GUESSES_SECONDS)
        self._bad_tokens = Attempts(most=max(1, MOST_BAD_TOKENS // processes), seconds=BAD_TOKENS_SECONDS)
        self._turns = Turns()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not login.is_needed(scope):
            await self._application(scope, receive, send)
            return
        secret, session_key = _secret(scope), _session_key(scope)
        token = await asyncio.to_thread(self._token, secret, scope) if secret else None
        if wait := self._waits(scope, is_bad=bool(secret) and token is None):
            await _refuse(send, scope, _TOO_MANY, "There were too many tries from this address.", wait)
            return

        async def is_let_in() -> bool:
            return await self._knows(scope, *((secret, "") if token else ("", session_key)))

        if scope["type"] == "websocket" and not await is_let_in():
            await receive()
            # Closed before it is accepted: the server answers the handshake with 403.
            await send({"type": "websocket.close"})
            return
        known = {**scope, TOKEN_KEY: token} if token else scope
        if _is_a_guess(scope):
            await self._take_turn(known, receive, send)
            return
        if _is_unwatched(scope) or not (token or session_key):
            await self._application(known, receive, send)
            return
        watched = _Watched(scope, receive, send, is_let_in)
        await watched.run(lambda: self._application(known, watched.receive, watched.send))

    async def lets_in(self, scope: Scope) -> bool:
        """Whether it is known who asks, by the head of a request alone. Raises DatabaseError."""
        return not login.is_needed(scope) or await self._knows(scope, _secret(scope), _session_key(scope))

    async def _knows(self, scope: Scope, secret: str, session_key: str) -> bool:
        """Whether the token or else the session is good now. Raises DatabaseError."""
        if secret and await asyncio.to_thread(self._token, secret, scope) is not None:
            return True
        return bool(session_key) and await database_sync_to_async(account_of)(session_key) is not None

    async def _take_turn(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            async with self._turns.turn(client_address.network_of(scope), send) as answer:
                await self._application(scope, receive, answer)
        except TooMany:
            await _refuse(send, scope, _TOO_MANY, "Others are being let in at the same time.", _TURN_SECONDS)

    def _token(self, secret: str, scope: Scope) -> KnownToken | None:
        """In a thread. What asks without changing anything is for readers."""
        asks = scope["type"] == "websocket" or scope["method"] in _ASKING
        return self._store.check(secret, READ if asks else API)

    def _waits(self, scope: Scope, *, is_bad: bool) -> int:
        """Seconds until this address may guess again; 0 where it may, or does not guess."""
        address = client_address.network_of(scope)
        for guesses, attempts in ((is_bad, self._bad_tokens), (_is_a_guess(scope), self._guesses)):
            if guesses:
                if wait := attempts.wait_seconds(address):
                    return wait
                attempts.note(address)
        return 0


class _Watched:
    """A connection that ends soon after who opened it is let in no more."""

    def __init__(self, scope: Scope, receive: Receive, send: Send, is_let_in: Callable[[], Awaitable[bool]]) -> None:
        self._is_websocket = scope["type"] == "websocket"
        self._receive, self._send, self._is_let_in = receive, send, is_let_in
        self._over = asyncio.Event()
        self._has_begun = False

    async def run(self, application: Callable[[], Awaitable[None]]) -> None:
        acting = asyncio.ensure_future(application())
        watching = asyncio.ensure_future(self._watch())
        try:
            await asyncio.wait((acting, watching), return_when=asyncio.FIRST_COMPLETED)
            if self._over.is_set() and not acting.done():
                await self._end(acting)
            with suppress(asyncio.CancelledError):
                await acting
        finally:
            for task in (acting, watching):
                task.cancel()
            await asyncio.gather(acting, watching, return_exceptions=True)

    async def receive(self) -> Message:
        if not self._over.is_set():
            coming, ending = asyncio.ensure_future(self._receive()), asyncio.ensure_future(self._over.wait())
            try:
                await asyncio.wait((coming, ending), return_when=asyncio.FIRST_COMPLETED)
                if coming.done():
                    return coming.result()
            finally:
                coming.cancel()
                ending.cancel()
        kind = "websocket" if self._is_websocket else "http"
        return {"type": f"{kind}.disconnect", "code": LOGGED_OUT}

    async def send(self, message: Message) -> None:
        """What is said after the end goes nowhere."""
        if not self._over.is_set():
            self._has_begun = True
            await self._send(message)

    async def _watch(self) -> None:
        while not self._over.is_set():
            await asyncio.sleep(LOOK_SECONDS)
            with suppress(DatabaseError):  # nobody can tell now; who goes on meanwhile is looked at again
                if not await self._is_let_in():
                    self._over.set()

    async def _end(self, acting: asyncio.Future[None]) -> None:
        if self._is_websocket:
            await self._send({"type": "websocket.close", "code": LOGGED_OUT})
            return  # and the consumer is let down by what it receives
        acting.cancel()
        with suppress(asyncio.CancelledError):
            await acting
        if self._has_begun:
            await self._send({"type": "http.response.body", "body": b""})


def _is_a_guess(scope: Scope) -> bool:
    return scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in GUESSED_AT


def _is_unwatched(scope: Scope) -> bool:
    path: str = scope["path"]
    return scope["type"] == "http" and (path in _UNWATCHED or path.startswith("/static/"))


def _secret(scope: Scope) -> str:
    """Of the one Authorization header; two are none."""
    values = _values(scope, b"authorization")
    return bearer(values[0]) if len(values) == 1 else ""


def _session_key(scope: Scope) -> str:
    cookies = parse_cookie("; ".join(_values(scope, b"cookie")))
    return cookies.get(settings.SESSION_COOKIE_NAME, "")


def _values(scope: Scope, name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in scope["headers"] if key.lower() == name]


async def _refuse(send: Send, scope: Scope, status: int, sentence: str, wait_seconds: int) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close"})
        return
    sentence = f"{sentence} Try again in {wait_seconds} s."
    kind, body = refusal_body(sentence, status=status, path=scope["path"])
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"retry-after", str(wait_seconds).encode()),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
