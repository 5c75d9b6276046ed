"""The realm's six servers in this process, each built as its own process builds it, over one world.

The process imports realm.asgi, which changes logs and daphne for good: for campaigns, not for tests.
"""

from __future__ import annotations

import asyncio
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PORTS = {"pages": 8888, "vault": 8767, "officer": 8768, "oracle": 8765, "trainer": 8080, "trainer of another": 8090}
SECONDS = 5.0
"""Of what comes through to the realm, which may be a stream without an end."""


Headers = tuple[tuple[bytes, bytes], ...]


@dataclass(frozen=True)
class Server:
    name: str
    routes: Sequence[Any]
    application: Any
    """With all that stands before it."""
    reached: list[str]
    """What came through to the realm."""

    @property
    def port(self) -> int:
        return PORTS[self.name]

    @property
    def own_headers(self) -> Headers:
        """Of a program on this machine, which is let in."""
        return ((b"host", f"localhost:{self.port}".encode()),)

    async def ask(
        self, path: str, *, headers: Headers, method: str = "GET", kind: str = "http", body: bytes = b"{}"
    ) -> list[Any]:
        """All that it sends to one request, or to who opens a websocket; `path` is decoded already."""
        said: list[Any] = []
        scope = {
            "type": kind, "method": method, "path": path, "raw_path": path.encode(errors="replace"),
            "query_string": b"", "headers": list(headers), "scheme": "http", "http_version": "1.1", "root_path": "",
            "client": ("127.0.0.1", 50000), "server": ("127.0.0.1", self.port), "subprotocols": [],
        }  # fmt: skip
        opening = {"type": "websocket.connect"} if kind == "websocket" else {"type": "http.request", "body": body}
        first, answered = iter([opening]), asyncio.Event()

        async def receive() -> Any:
            if (message := next(first, None)) is None:
                await answered.wait()
            return message or {"type": f"{kind}.disconnect", "code": 1001}

        async def send(message: Any) -> None:
            said.append(message)
            if not message.get("more_body") and message["type"] != "http.response.start":
                answered.set()

        self.reached.clear()
        await self.application(scope, receive, send)
        return said


def prepare(home: Path) -> Path:
    """A world with something in it, which is the one of this process from now on."""
    os.environ |= {"REALM_HOME": str(home), "DJANGO_SETTINGS_MODULE": "realm.settings"}
    import django

    django.setup()
    from django.core.management import call_command

    from realm.world import World
    from tests.support.checkpoints import make_checkpoint
    from tests.support.servers import migrate

    migrate(World(home))
    make_checkpoint(World(home).heroes, 100)
    call_command("vault", "scan", stdout=io.StringIO())
    return home


def in_process(home: Path, folder: Path) -> Iterator[Server]:
    """All six, and two trainers. `folder` gets a branch officer's shelf."""
    from django.conf import settings

    import realm.asgi
    from arena.oracle import app as oracle_app
    from arena.oracle.host import OracleHost
    from guild.skills import server as trainer_server
    from guild.skills.registry import get_skill, get_trainer
    from realm.oracle.served import Served
    from realm.web import serve
    from realm.web.token_wall import TokenWall
    from realm.web.tokens import of_world
    from realm.world import World
    from tests.support import routes
    from vault.officer.app import Officer
    from vault.officer.protocol_door import ProtocolDoor
    from watchtower.api import process
    from watchtower.api.members import Members
    from watchtower.routing import websocket_router

    world = World(home)
    of_django = routes.of_django()

    def spied(name: str, inner: Any) -> tuple[Any, list[str]]:
        reached: list[str] = []

        async def spy(scope: Any, receive: Any, send: Any) -> None:
            reached.append(f"{name} {scope.get('method', 'websocket')} {scope['path']}")
            with suppress(TimeoutError):
                async with asyncio.timeout(SECONDS):
                    await inner(scope, receive, send)

        return spy, reached

    def built(name: str, listed: Sequence[Any], inner: Any) -> Server:
        spy, reached = spied(name, inner)
        return Server(name, listed, serve.guarded(spy, port=PORTS[name]), reached)

    guard = realm.asgi.guard
    guard._application, reached = spied("pages", guard._application)
    pages = [*of_django, *routes.of_channels(websocket_router)]
    yield Server("pages", pages, realm.asgi.application, reached)
    members = routes.of_starlette(Members(world).application)
    wall = TokenWall(process.application(world), of_world(world), purposes_of=process.purposes_of, required=False)
    yield built("vault", [*of_django, *members], wall)
    shelf = folder / "shelf"
    shelf.mkdir()
    officer = Officer("3090", shelf)
    yield built("officer", routes.of_starlette(officer.application), ProtocolDoor(officer.application))
    host = OracleHost(world, settings.REALM, Served(world, PORTS["oracle"]))
    oracle = oracle_app.application(host)
    yield built("oracle", routes.of_starlette(oracle), oracle)
    for name in ("trainer", "trainer of another"):
        trainer = trainer_server.application(get_skill("binary"), get_trainer("binary"))
        yield built(name, routes.of_starlette(trainer), trainer)


def digest(home: Path, *, within: Sequence[str] = ("",)) -> str:
    """Of all files of the world but its logs, or of those that begin as `within` says; SQLite is one of them."""
    told = hashlib.sha256()
    for path in sorted(home.rglob("*")):
        place = path.relative_to(home).as_posix()
        if (
            path.is_file()
            and place.startswith(tuple(within))
            and not place.startswith("logs")
            and not place.endswith("-shm")
        ):
            told.update(f"{place} {path.stat().st_size}\n".encode() + path.read_bytes())
    return told.hexdigest()
