"""The vault's own process: its API on a port of its own, the jobs that wait, and what zones say of themselves.

Not the tavern: no zone's silence may hold up a page, and this one alone may be reached by other machines.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterable

from django.core.asgi import get_asgi_application
from django.db import connection

from guild.skills.registry import read_skills
from realm.config import LOOPBACK, RealmConfig
from realm.databases.database import close_if_broken
from realm.databases.watch import DatabaseGone, DatabaseWatch
from realm.logs.configuration import STARTED
from realm.web import serve, tokens
from realm.web.body_sizes import FORM_BYTES
from realm.web.guard import Application, Receive, Scope, Send
from realm.web.serve import CannotServe
from realm.web.streaming import Streaming
from realm.web.token_wall import TokenWall
from realm.web.whole_body import StreamedBody, WholeBody
from realm.world import World
from sentinels.guardian import peer
from sentinels.guardian.peer import Peer
from sentinels.notices import notifier
from sentinels.notices.notifier import Notifier
from sentinels.record import Record
from vault.jobs import queue, status
from vault.jobs.waiting import ENDING
from vault.jobs.worker import Worker
from vault.zones.directory import refresh
from watchtower.achievements import evaluation
from watchtower.achievements.evaluation import Evaluator
from watchtower.api.members import Members
from watchtower.machines.ring import EVERY_SECONDS
from watchtower.machines.sampler import Sampler
from watchtower.openai_api.sizes import UPLOAD_BYTES
from watchtower.timeline import recorder
from watchtower.timeline.recorder import Recorder

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 200
FETCH = "/fetch/"
UPLOADS = "/v1/files"
BEAT_SECONDS = 4.0
ZONES_SECONDS = 10.0
MACHINES_SECONDS = float(EVERY_SECONDS)
RECORD_SECONDS = 10.0
SKILLS_SECONDS = 60.0
"""Reading the skills' trainers takes a second, which no request should wait for."""
_LAST_WORDS_SECONDS = 2.0
"""In which a job that hears of the end writes down that it waits."""


def run(world: World, config: RealmConfig, *, address: str, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises CannotServe, Refused where another vault serves this world, BadTokens."""
    is_open = address not in LOOPBACK
    store = tokens.of_world(world)
    if is_open and not store.has_valid(*tokens.OF_VAULT):
        raise CannotServe(
            f"beyond loopback the vault lets in only those who have a token, and there is none: make one by "
            f"`manage.py tokens new --purpose read`, or listen on 127.0.0.1 instead of {address}"
        )
    with status.only_vault(world), serve.bind_port(address, port, remedy="set REALM_VAULT_PORT") as listening:
        told = serve.url_of(address, listening.getsockname()[1])
        watch = DatabaseWatch(world)
        beside = [
            Worker(queue.TRANSFERS, ENDING),
            Worker(queue.OTHERS, ENDING),
            _every(BEAT_SECONDS, lambda: _beat(world, told, watch)),
            _every(ZONES_SECONDS, lambda: refresh(world)),
            _every(recorder.EVERY_SECONDS, Recorder(world, config).record),
            _every(MACHINES_SECONDS, Sampler(world, config).sample),
            _every(RECORD_SECONDS, Record(world).take_in),
            _every(evaluation.EVERY_SECONDS, Evaluator(world).evaluate),
            _every(SKILLS_SECONDS, read_skills),
            *([_every(peer.EVERY_SECONDS, Peer(world).look)] if peer.is_needed() else []),
            _every(notifier.EVERY_SECONDS, Notifier(world, ending=ENDING).step),
        ]
        for thread in beside:
            thread.start()
        log.info("the vault of %s answers at %s/api", world.home, told, extra={"event": STARTED})
        serve.run(
            TokenWall(application(world), store, purposes_of=purposes_of, required=is_open),
            listening,
            most_connections=MOST_CONNECTIONS,
            any_host=is_open,
            trusted_proxies=config.trusted_proxies,
            allowed_origins=config.allowed_origins,
            ending=ENDING,
        )
        for thread in beside:
            thread.join(_LAST_WORDS_SECONDS)


def application(world: World) -> Application:
    """The API, and beside it what streams and may be long: the bytes of what lies here, and files that come."""
    django = get_asgi_application()
    asked = WholeBody(Streaming(django), largest_bytes=FORM_BYTES)
    uploads = StreamedBody(django, largest_bytes=UPLOAD_BYTES)
    members = Members(world).guarded

    async def either(scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"] if scope["type"] == "http" else ""
        is_upload = path == UPLOADS and scope["method"] == "POST"
        await (members if path.startswith(FETCH) else uploads if is_upload else asked)(scope, receive, send)

    return either


def purposes_of(scope: Scope) -> Iterable[str]:
    """Bytes and questions are for readers, bytes for zones; all else changes something, or may hold keys: settings."""
    if scope["method"] not in ("GET", "HEAD") or scope["path"].startswith(f"{FETCH}config_"):
        return (tokens.API,)
    return (tokens.READ, tokens.ZONE) if scope["path"].startswith(FETCH) else (tokens.READ,)


def _every(seconds: float, act: Callable[[], object]) -> threading.Thread:
    """At once and then every so often, until the process is told to end; what goes wrong is logged."""

    def go_on() -> None:
        while True:
            try:
                act()
            except Exception:
                log.exception("the vault goes on")
            finally:
                close_if_broken()
            if ENDING.wait(seconds):
                connection.close()
                return

    return threading.Thread(target=go_on, daemon=True)


def _beat(world: World, address: str, watch: DatabaseWatch) -> None:
    """Ends the process where its database is gone: it would write for nobody."""
    try:
        watch.check()
    except DatabaseGone as gone:
        log.error("%s", gone)
        os.kill(os.getpid(), signal.SIGTERM)
        return
    status.write(world, address=address)
