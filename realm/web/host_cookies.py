"""Cookies of a server under an origin of `https:` are that host's alone: `__Host-…; Secure`. No Django.

Whoever writes into a network, or holds another name below the same domain, could else plant a cookie of the same name.
The application sees and sets its cookies by their plain names.
"""

from __future__ import annotations

from collections.abc import Iterable

from realm.web import origins
from realm.web.guard import Application, Message, Receive, Scope, Send

PREFIX = b"__Host-"


class HostCookies:
    def __init__(self, application: Application, *, public_origins: Iterable[str], names: Iterable[str]) -> None:
        """`names` are the application's own cookies."""
        self._application, self._names = application, frozenset(name.encode() for name in names)
        listed = frozenset(public_origins)
        secure = {origins.host_of(origin) for origin in listed if origin.startswith("https:")}
        self._secure = frozenset(host.encode() for host in secure if f"http://{host}" not in listed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan" or not self._is_secure(scope):
            await self._application(scope, receive, send)
            return

        async def prefixed(message: Message) -> None:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": [self._set(*header) for header in message.get("headers", ())]}
            await send(message)

        await self._application(self.seen(scope), receive, prefixed)

    def seen(self, scope: Scope) -> Scope:
        """What the application sees of a request."""
        return {**scope, "headers": self._asked(scope["headers"])} if self._is_secure(scope) else scope

    def _is_secure(self, scope: Scope) -> bool:
        hosts = [value.lower() for name, value in scope["headers"] if name.lower() == b"host"]
        return bool(hosts) and hosts[0] in self._secure

    def _asked(self, headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """A cookie of ours counts only with its prefix, which a browser lets nobody else set."""
        return [(name, self._unprefixed(value) if name.lower() == b"cookie" else value) for name, value in headers]

    def _unprefixed(self, cookies: bytes) -> bytes:
        parts = (part.strip() for part in cookies.split(b";"))
        return b"; ".join(part.removeprefix(PREFIX) for part in parts if _name(part) not in self._names)

    def _set(self, name: bytes, value: bytes) -> tuple[bytes, bytes]:
        if name.lower() != b"set-cookie" or _name(value) not in self._names:
            return name, value
        return name, PREFIX + value + (b"" if b"; secure" in value.lower() else b"; Secure")


def _name(cookie: bytes) -> bytes:
    return cookie.partition(b"=")[0].strip()
