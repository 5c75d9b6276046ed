"""E1: every route of every server, by every method, from pages of other sites: nothing happens and nothing is told."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from itertools import cycle
from pathlib import Path
from typing import Any

from tests.campaigns import foreign_pages
from tests.campaigns.report import Figure, none_of
from tests.support.six_servers import Headers, Server, digest, in_process, prepare

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "RUBBISH")
REFUSED = (403, 421)
IN_TURNS = 7
"""In the small form each route and method is asked from a seventh of the origins; no number of methods divides it."""
BODIES = {"/api/training/control": b'{"command": "pause"}'}
"""With which something would happen."""


@dataclass(frozen=True)
class Origin:
    """A page that is not ours: `origin` and `host` as its browser sends them, with {port} for this server's."""

    name: str
    origin: str | None
    host: str = "localhost:{port}"
    site: str | None = "cross-site"
    """Of Sec-Fetch-Site, where the browser sends it."""

    def headers(self, port: int, *, cookie: bool) -> Headers:
        sent = [("host", self.host), ("content-type", "application/json")]
        sent += [("origin", self.origin)] if self.origin is not None else []
        sent += [("sec-fetch-site", self.site), ("sec-fetch-mode", "no-cors")] if self.site else []
        sent += [("cookie", f"realm-session-{port}=a1b2c3; realm-csrf-{port}=d4e5f6")] if cookie else []
        return tuple((name.encode(), value.format(port=port).encode()) for name, value in sent)


ORIGINS = (
    Origin("another port", "http://localhost:9999", site="same-site"),
    Origin("https", "https://localhost:{port}", site="cross-site"),
    Origin("null", "null"),
    Origin("a file", "file://", site=None),
    Origin("a name that was rebound", "http://evil.example:{port}", "evil.example:{port}", site="same-origin"),
    Origin("0.0.0.0", "http://0.0.0.0:{port}", "0.0.0.0:{port}", site=None),
    Origin("localhost.", "http://localhost.:{port}", "localhost.:{port}", site="same-origin"),
    Origin("an extension", "chrome-extension://abcdefghijklmnop", site="none"),
    Origin("another site", "https://evil.example"),
    Origin("a name below localhost", "http://evil.localhost:{port}", site="same-site"),
    Origin("our name as a user's", "http://localhost:{port}@evil.example"),
    Origin("upper case", "HTTP://LOCALHOST:{port}", site=None),
    Origin("IPv6 spelled otherwise", "http://[0:0:0:0:0:0:0:1]:{port}", "[0:0:0:0:0:0:0:1]:{port}", site=None),
    Origin("IPv4 within IPv6", "http://[::ffff:127.0.0.1]:{port}", "[::ffff:127.0.0.1]:{port}", site=None),
    Origin("another site that says no origin", None),
)


@dataclass
class Found:
    asked: int = 0
    routes: int = 0
    reached: list[str] = field(default_factory=list)
    readable: list[str] = field(default_factory=list)
    unlike: list[str] = field(default_factory=list)
    """Refusals without the words and headers of one."""


def run(
    folder: Path, *, seed: int, quick: bool, count: int | None, only: Collection[str] | None = None
) -> list[Figure]:
    """`only` are addresses, for those who try the campaign itself. Nothing in it is left to chance or number."""
    home = prepare(folder / "world")
    servers = list(in_process(home, folder))
    if only is not None:
        servers = [replace(each, routes=[at for at in each.routes if at.path in only]) for each in servers]
    before = digest(home)
    in_turns = quick and only is None
    found = asyncio.run(ask_all(servers, in_turns=in_turns))
    figures = figures_of(found, changed=before != digest(home), in_turns=in_turns)
    return figures if quick else [*figures, *foreign_pages.figures(home, folder)]


async def ask_all(servers: Sequence[Server], *, in_turns: bool) -> Found:
    """Every route by every method, from every origin with and without a cookie; or from some, in turns."""
    found = Found()
    each = [(origin, cookie) for origin in ORIGINS for cookie in (True, False)]
    turns = cycle([each[turn::IN_TURNS] for turn in range(IN_TURNS)] if in_turns else [each])
    for server in servers:
        sent = {
            (origin, cookie): origin.headers(server.port, cookie=cookie)
            for origin in ORIGINS
            for cookie in (True, False)
        }
        for route in server.routes:
            found.routes += 1
            methods = METHODS if route.kind == "http" else ("GET",)
            for method in methods:
                for origin, cookie in next(turns):
                    await _ask(server, route, method, origin, sent[origin, cookie], found)
    return found


async def _ask(server: Server, route: Any, method: str, origin: Origin, headers: Headers, found: Found) -> None:
    found.asked += 1
    body = BODIES.get(route.path, b"{}")
    said = await server.ask(route.path, headers=headers, method=method, kind=route.kind, body=body)
    name = f"{server.name} {method} {route.template} from {origin.name}"
    if server.reached:
        found.reached.append(name)
    _judge(said, route.kind, name, found)


def _judge(said: list[Any], kind: str, name: str, found: Found) -> None:
    if kind == "websocket":
        if said != [{"type": "websocket.close"}]:
            found.readable.append(name)
        return
    start, *rest = said or [{"status": 0, "headers": []}]
    headers = {key.lower(): value for key, value in start["headers"]}
    body = b"".join(message.get("body", b"") for message in rest)
    if start["status"] not in REFUSED or b"access-control-allow-origin" in headers:
        found.readable.append(f"{name}: {start['status']}")
    elif headers.get(b"x-content-type-options") != b"nosniff" or len(body) > 1000:
        found.unlike.append(name)


def figures_of(found: Found, *, changed: bool, in_turns: bool) -> list[Figure]:
    told = f"{found.routes} routes x {len(METHODS)} methods x {len(ORIGINS)} origins{' in turns' * in_turns}"
    return [
        Figure(promise="E1", what=f"requests ({told}, cookie or none)", figure=found.asked),
        none_of("E1", "reached the realm", found.reached, found.asked),
        none_of("E1", "answers that a stranger may read", found.readable, found.asked),
        none_of("E1", "refusals without words or headers", found.unlike, found.asked),
        none_of("E1", "changes in database and files", ["the world"] if changed else [], found.asked),
    ]  # fmt: skip
