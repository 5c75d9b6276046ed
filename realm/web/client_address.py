"""Who asks, and by which scheme: what the connection says, or a reverse proxy that the player trusts.

A proxy is one machine for thousands of people, and speaks plain HTTP here for pages of `https:`. What it says of them
stands in `X-Forwarded-For` and `X-Forwarded-Proto`, which anybody may send: they count from `trusted_proxies` alone,
and of anybody else nothing behind sees them. The Host is the browser's own, which a proxy passes on unchanged.

Where a proxy is at work of which the player has said nothing, a connection of this machine's may be anybody's.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv6Address, ip_network
from typing import Any

from realm.web.guard import Application, Receive, Scope, Send
from realm.web.networks import Address, networks, read_address

_ONES_BITS = 64
_FOR, _PROTO = b"x-forwarded-for", b"x-forwarded-proto"
_CLAIMS = frozenset({_FOR, _PROTO, b"x-forwarded-host", b"x-forwarded-port", b"forwarded", b"x-real-ip"})
_SIGNS = _CLAIMS | {b"via"}
"""What a proxy adds, and no browser or program on this machine."""
PASSED_ON_KEY = "realm.passed_on"
"""In the scope of a request that came through a proxy which is not trusted: nobody knows who asks."""
_SCHEMES = {
    ("http", "http"): "http", ("http", "https"): "https", ("websocket", "http"): "ws", ("websocket", "https"): "wss",
    ("websocket", "ws"): "ws", ("websocket", "wss"): "wss",
}  # fmt: skip
"""By the kind of request and what a proxy says."""


def of(scope: Scope) -> str:
    """The address of who asks, as text; empty where the connection has none.

    Of a scope that came through `BehindProxies` it is that of the browser or program, not of a proxy.
    """
    client = scope.get("client")
    address = read_address(client[0]) if client else None
    return str(address) if address else ""


def scope_of(request: Any) -> Scope:
    """What is known of who asks, of a request of Django's however it came."""
    return getattr(request, "scope", None) or {"client": (request.META.get("REMOTE_ADDR", ""), 0)}


def network_of(scope: Scope) -> str:
    """Of who asks, as far as one person holds it: the address itself, of IPv6 its network of 64 bits."""
    address = read_address(of(scope))
    if isinstance(address, IPv6Address):
        return str(ip_network((address, _ONES_BITS), strict=False))
    return str(address or "")


class BehindProxies:
    """Tells all that lies behind it who asks; what strangers claim of it is taken away."""

    def __init__(self, application: Application, trusted: Iterable[str]) -> None:
        self._application, self._trusted = application, networks(trusted)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._application(scope if scope["type"] == "lifespan" else self.seen(scope), receive, send)

    def seen(self, scope: Scope) -> Scope:
        """The scope as if the browser had connected itself."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        told = {**scope, "headers": [header for header in headers if header[0].lower() not in _CLAIMS]}
        told["root_path"] = ""  # daphne believes a header of everybody's, and Django then answers for another path
        peer = read_address(of(scope))
        if peer is None or not self._trusts(peer):
            return told | ({PASSED_ON_KEY: True} if _is_passed_on(scope) else {})
        told["client"] = [str(self._first_stranger(peer, _listed(headers, _FOR))), 0]
        schemes = _listed(headers, _PROTO)
        kind = (scope["type"], schemes[-1].lower() if schemes else "")
        return told | ({"scheme": _SCHEMES[kind]} if kind in _SCHEMES else {})

    def _first_stranger(self, peer: Address, hops: list[str]) -> Address:
        """Each proxy adds at the right who asked it: what stands left of the first stranger is the stranger's word."""
        nearest = peer
        for hop in reversed(hops):
            address = read_address(hop)
            if address is None:
                return nearest
            nearest = address
            if not self._trusts(address):
                return nearest
        return nearest

    def _trusts(self, address: Address) -> bool:
        return any(address in network for network in self._trusted)


def _is_passed_on(scope: Scope) -> bool:
    """Or looks so: nginx with `proxy_pass` and nothing else adds no header, and speaks HTTP/1.0."""
    return scope.get("http_version") == "1.0" or any(name.lower() in _SIGNS for name, _ in scope["headers"])


def _listed(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    values = b",".join(value for key, value in headers if key.lower() == name).decode("latin-1")
    return [part for each in values.split(",") if (part := each.strip())]
