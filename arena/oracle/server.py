"""The process of an inference host."""

from __future__ import annotations

import logging

from arena.oracle.app import application
from arena.oracle.host import OracleHost
from realm.config import LOOPBACK, RealmConfig
from realm.logs.configuration import STARTED
from realm.oracle.own_token import OracleTokens
from realm.oracle.served import Served
from realm.web import serve, tokens
from realm.web.guard import Application, Scope
from realm.web.problems import OPENAI_PREFIX
from realm.web.serve import CannotServe
from realm.web.token_wall import TokenWall
from realm.world import World

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 200


def run(world: World, settings: RealmConfig, *, address: str, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises CannotServe, BadTokens, OSError."""
    is_open = address not in LOOPBACK
    if is_open and not tokens.of_world(world).has_valid(*tokens.OF_ORACLE):
        raise CannotServe(
            f"beyond loopback the oracle lets in only those who have a token, and there is none: make one by "
            f"`manage.py tokens new --purpose chat` or `oracle`, or listen on 127.0.0.1 instead of {address}"
        )
    with (
        serve.bind_port(address, port, remedy="set REALM_ORACLE_PORT") as listening,
        Served(world, port) as served,
    ):
        inner: Application = application(OracleHost(world, settings, served))
        url = serve.url_of(address, port)
        log.info("the oracle of %s answers at %s/", world.home, url, extra={"event": STARTED})
        serve.run(
            TokenWall(inner, OracleTokens(world), purposes_of=purposes_of, required=is_open),
            listening,
            most_connections=MOST_CONNECTIONS,
            any_host=is_open,
            trusted_proxies=settings.trusted_proxies,
            allowed_origins=settings.allowed_origins,
        )


def purposes_of(scope: Scope) -> tuple[str, ...]:
    """Who may ask models may look which there are; which are loaded is for others to say."""
    is_asked = scope["method"] in ("GET", "HEAD") or scope["path"].startswith(OPENAI_PREFIX)
    return (tokens.CHAT,) if is_asked else (tokens.ORACLE,)
