"""No stranger drives the realm: Host, Origin and Sec-Fetch-Site of every http request and websocket, before all else.

A page of another site can make a browser send requests here, and can make its own name resolve to this machine. So a
request must name this server exactly, and must come from one of this server's own pages, from the address bar, or from
a program that is no browser and sends none of these headers.

A server that other machines reach goes by names that it cannot know. It lets nobody in without a token, which no page
of another site has (realm.web.token_wall), and takes any name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from realm.web import served_hosts
from realm.web.problems import refusal_body
from realm.web.served_hosts import Hosts

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

MISDIRECTED = 421
FORBIDDEN = 403


class Guard:
    def __init__(
        self, application: Application, *, port: int, hosts: Hosts | None = None, any_host: bool = False
    ) -> None:
        """`hosts` are loopback's without it; `any_host` is for a server behind a token wall alone."""
        self._application, self._any_host = application, any_host
        self._hosts = served_hosts.loopback(port) if hosts is None else hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._application(scope, receive, send)
            return
        refusal = self.refusal(scope)
        if refusal is None:
            await self._application(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            # Closed before it is accepted: the server answers the handshake with 403.
            await send({"type": "websocket.close"})
        else:
            await _answer(send, *refusal, path=scope.get("path", ""))

    def refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence, or None for a request that may pass, by its type, method and headers alone."""
        headers: list[tuple[bytes, bytes]] = list(scope["headers"])
        hosts, origins = _values(headers, b"host"), _values(headers, b"origin")
        if not self._is_host_ours(hosts):
            return MISDIRECTED, f"This server answers only to the hosts {', '.join(sorted(self._hosts.names))}."
        host = hosts[0].lower()
        ours = frozenset({_origin(scope, host)}) if self._any_host else self._hosts.origins_for(host)
        if origins and not (len(origins) == 1 and origins[0] in ours):
            return FORBIDDEN, f"Requests are taken only from pages of {', '.join(sorted(ours))}."
        if not _comes_from_here(scope, headers):
            return FORBIDDEN, "Pages of other sites may only link here: open the address in a tab of its own."
        return None

    def _is_host_ours(self, hosts: list[str]) -> bool:
        return len(hosts) == 1 and (self._any_host or hosts[0].lower() in self._hosts.names)


def _origin(scope: Scope, host: str) -> str:
    """Of the server's own pages, by the scheme that the browser speaks (realm.web.client_address)."""
    return f"{'https' if scope.get('scheme') in ('https', 'wss') else 'http'}://{host}"


def _comes_from_here(scope: Scope, headers: list[tuple[bytes, bytes]]) -> bool:
    """A foreign site may cause nothing but a person's own step to a page: a top-level GET navigation."""
    sites = _values(headers, b"sec-fetch-site")
    if not sites or sites in (["same-origin"], ["none"]):
        return True
    return (
        sites in (["cross-site"], ["same-site"])
        and scope["type"] == "http"
        and scope["method"] == "GET"
        and _values(headers, b"sec-fetch-mode") == ["navigate"]
        and _values(headers, b"sec-fetch-dest") == ["document"]
    )


def _values(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> list[str]:
    return [value.decode("latin-1") for key, value in headers if key.lower() == name]


async def _answer(send: Send, status: int, sentence: str, *, path: str) -> None:
    kind, body = refusal_body(sentence, status=status, path=path)
    headers = [
        (b"content-type", kind),
        (b"content-length", str(len(body)).encode()),
        (b"connection", b"close"),
        (b"x-content-type-options", b"nosniff"),
    ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
