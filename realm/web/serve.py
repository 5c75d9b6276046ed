"""A port bound, and an ASGI application served on it behind the guard, until SIGTERM or SIGINT."""

from __future__ import annotations

import errno
import socket
from threading import Event
from types import FrameType

import uvicorn

from realm.web import identity
from realm.web.guard import Application, Guard
from realm.web.head_limit import TimedProtocol

ENDS_WITHIN_SECONDS = 5
"""Of what is being answered when the process is told to end."""
_ASK_SECONDS = 2.0


class CannotServe(Exception):
    """One sentence for the player."""


def bind_port(address: str, port: int, *, remedy: str) -> socket.socket:
    """A socket that listens from now on, so that a second server finds the port taken.

    `remedy` is how another port is chosen. Raises CannotServe, which names a taker that tells its name.
    """
    listening = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((address, port))
        listening.listen(socket.SOMAXCONN)
    except OSError as error:
        listening.close()
        if error.errno != errno.EADDRINUSE:
            raise CannotServe(f"cannot listen on {address} port {port}: {error.strerror}") from error
        taker = identity.taker(address, port, seconds=_ASK_SECONDS)
        raise CannotServe(f"port {port} of {address} is taken by {taker}; end it, or {remedy}") from error
    return listening


def run(
    application: Application,
    listening: socket.socket,
    *,
    most_connections: int | None = None,
    any_host: bool = False,
    ending: Event | None = None,
) -> None:
    """Serve until the process is told to end, and within ENDS_WITHIN_SECONDS after that.

    `any_host` is for an application behind a token wall alone. `ending` is set when the process is told.
    """
    config = uvicorn.Config(
        Guard(application, port=listening.getsockname()[1], any_host=any_host),
        loop="asyncio",  # the same everywhere, whatever else is installed
        http=TimedProtocol,
        ws="none",
        log_config=None,  # its records go where the process's own do
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=most_connections,
        timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
    )
    _Server(config, ending or Event()).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ending: Event) -> None:
        super().__init__(config)
        self._ending = ending

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending.set()
        super().handle_exit(sig, frame)


def url_of(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
