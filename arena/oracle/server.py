"""The process of an inference host: its socket, its server, its end."""

from __future__ import annotations

import errno
import json
import socket
import urllib.error
import urllib.request

import uvicorn

from arena.oracle.app import application
from arena.oracle.host import OracleHost
from realm.config import RealmConfig
from realm.oracle.served import Served
from realm.web.guard import Guard
from realm.world import World

ENDS_WITHIN_SECONDS = 5
"""Of what is being answered when the process is told to end."""
_ASK_SECONDS = 2.0


class CannotServe(Exception):
    """One sentence for the player."""


def serve(world: World, settings: RealmConfig, *, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises CannotServe."""
    with _bound(settings.bind, port) as bound, Served(world, port) as served:
        app = Guard(application(OracleHost(world, settings, served)), port=port)
        config = uvicorn.Config(
            app,
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
        )
        print(f"the oracle of {world.home} answers at http://{_address(settings.bind, port)}/", flush=True)
        uvicorn.Server(config).run(sockets=[bound])


def _bound(bind: str, port: int) -> socket.socket:
    """Bound here and not by uvicorn, which would say less of why it cannot."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((bind, port))
        made.listen(socket.SOMAXCONN)  # at once, so that a second host finds the port taken
    except OSError as error:
        made.close()
        if error.errno != errno.EADDRINUSE:
            raise CannotServe(f"cannot listen on {bind} port {port}: {error.strerror}") from error
        raise CannotServe(
            f"port {port} of {bind} is taken by {_taker(bind, port)}; end it, or set REALM_ORACLE_PORT"
        ) from error
    return made


def _taker(bind: str, port: int) -> str:
    try:
        with urllib.request.urlopen(f"http://{_address(bind, port)}/health", timeout=_ASK_SECONDS) as reply:
            told = json.load(reply)
        if told["service"] == "oracle":
            return f"the oracle of {told['world']}"
    except (OSError, ValueError, KeyError, TypeError, urllib.error.URLError):
        pass
    return "another program"


def _address(bind: str, port: int) -> str:
    return f"[{bind}]:{port}" if ":" in bind else f"{bind}:{port}"
