"""E5: every route that takes a path or a name, on every server, asked for what lies outside: no byte of it comes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from tests.campaigns.report import Figure, none_of
from tests.support.six_servers import Server, in_process, prepare
from tests.support.traversals import traversals

CANARY = "canary-of-the-outside"
SIGNS = (CANARY.encode(), b"root:x:0:0")
"""Of the files that the spellings lead to."""
FEW = 97
"""In the small form one in so many spellings."""
SERVER_FAULT = 500
_ADMIN, _ENDLESS = "admin/", "/stream"


@dataclass
class Found:
    asked: int = 0
    routes: int = 0
    told: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def run(
    folder: Path, *, seed: int, quick: bool, count: int | None, change: Callable[[Server], Server] | None = None
) -> list[Figure]:
    """`count` is the number of spellings; `change` of each server is for those who try the campaign itself."""
    home = prepare(folder / "world")
    outside = folder / "outside"
    outside.mkdir()
    (outside / "canary").write_text(CANARY)
    (home / "secrets" / "canary").write_text(CANARY)
    every = max(1, len(_spellings()) // count) if count else FEW if quick else 1
    servers = [change(each) if change else each for each in in_process(home, folder)]
    found = asyncio.run(ask_all(servers, _spellings()[::every]))
    return figures(found, len(_spellings()[::every]), changed=sorted(outside.iterdir()) != [outside / "canary"])


def _spellings() -> list[str]:
    """As the application sees them, decoded once, and as it sees those that were encoded twice.

    Half of a surrogate pair is in none: no server decodes an address to it.
    """
    spelled = [*traversals("outside/canary"), *traversals()]
    seen = dict.fromkeys(text for each in spelled for text in (unquote(each), each))
    return [text for text in seen if text.isprintable() or text.encode(errors="ignore").decode() == text]


async def ask_all(servers: Sequence[Server], spellings: Sequence[str]) -> Found:
    found = Found()
    for server in servers:
        for before, after in _places(server):
            found.routes += 1
            for text in spellings:
                await _ask(server, f"{before}{text}{after}", found)
    return found


def _places(server: Server) -> Iterator[tuple[str, str]]:
    """What stands before and behind each path or name of a route. Static files have no route."""
    from tests.support import routes

    if server.name in ("pages", "vault"):
        yield "/static/", ""
    for each in server.routes:
        if each.kind != "http" or _ENDLESS in each.path or each.template.startswith(_ADMIN):
            continue
        yield from routes.places(each)


async def _ask(server: Server, path: str, found: Found) -> None:
    found.asked += 1
    said = await server.ask(path, headers=server.own_headers)
    body = b"".join(message.get("body", b"") for message in said[1:])
    if any(sign in body for sign in SIGNS):
        found.told.append(f"{server.name} {path[:120]!r}")
    if said and said[0]["status"] == SERVER_FAULT:
        found.broken.append(f"{server.name} {path[:120]!r}")


def figures(found: Found, spellings: int, *, changed: bool) -> list[Figure]:
    told = f"{found.routes} places in routes x {spellings} spellings"
    return [
        Figure(promise="E5", what=f"requests ({told})", figure=found.asked),
        none_of("E5", "bytes from outside", found.told, found.asked),
        none_of("E5", "answers of 500", found.broken, found.asked),
        none_of("E5", "files made or lost outside", ["some"] if changed else [], found.asked),
    ]
