"""A port bound, and an ASGI application served on it behind the guard, until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import errno
import socket
from collections.abc import Iterable
from contextlib import suppress
from threading import Event
from types import FrameType

import uvicorn

from realm.processes import notify, open_files
from realm.web import identity
from realm.web.answer_headers import AnswerHeaders
from realm.web.client_address import BehindProxies
from realm.web.cors import Cors
from realm.web.guard import Application, Guard
from realm.web.head_limit import TimedProtocol

ENDS_WITHIN_SECONDS = 5
"""Of what is being answered when the process is told to end."""
TICKS = 10
"""That uvicorn counts in a second. It would go round at each, which costs more than all else that is done when idle."""
BEAT_TICKS = int(TICKS * notify.EVERY_SECONDS)
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


def guarded(
    application: Application,
    *,
    port: int,
    any_host: bool = False,
    trusted_proxies: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
) -> Application:
    """The application with all that stands before it, whatever serves it."""
    guard = Guard(application, port=port, any_host=any_host)
    return AnswerHeaders(BehindProxies(Cors(guard, allowed_origins), trusted_proxies))


def run(
    application: Application,
    listening: socket.socket,
    *,
    most_connections: int | None = None,
    any_host: bool = False,
    trusted_proxies: Iterable[str] = (),
    allowed_origins: Iterable[str] = (),
    ending: Event | None = None,
) -> None:
    """Serve until the process is told to end, and within ENDS_WITHIN_SECONDS after that.

    `any_host` is for an application behind a token wall alone. `ending` is set when the process is told.
    """
    open_files.raise_limit()
    config = uvicorn.Config(
        guarded(
            application,
            port=listening.getsockname()[1],
            any_host=any_host,
            trusted_proxies=trusted_proxies,
            allowed_origins=allowed_origins,
        ),
        loop="asyncio",  # the same everywhere, whatever else is installed
        http=TimedProtocol,
        ws="none",
        log_config=None,  # its records go where the process's own do
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # which it would believe of everybody on this machine
        limit_concurrency=most_connections,
        timeout_graceful_shutdown=ENDS_WITHIN_SECONDS,
    )
    _Server(config, ending or Event()).run(sockets=[listening])


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, ending: Event) -> None:
        super().__init__(config)
        self._ending = ending
        self._told: tuple[asyncio.AbstractEventLoop, asyncio.Event] | None = None

    async def main_loop(self) -> None:
        """Once a second, and at once when the process is told to end."""
        told = asyncio.Event()
        self._told, counter = (asyncio.get_running_loop(), told), 0
        while not await self.on_tick(counter):
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await told.wait()
            counter += TICKS

    async def on_tick(self, counter: int) -> bool:
        """From the first on it answers."""
        if counter % BEAT_TICKS == 0:
            notify.beat()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._ending.set()
        notify.stopping()
        super().handle_exit(sig, frame)
        if self._told:
            loop, told = self._told
            loop.call_soon_threadsafe(told.set)  # wakes the loop, which a signal alone does not


def url_of(address: str, port: int) -> str:
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
