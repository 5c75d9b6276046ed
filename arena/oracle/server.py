"""The process of an inference host."""

from __future__ import annotations

import logging

from arena.oracle.app import application
from arena.oracle.host import OracleHost
from realm.config import RealmConfig
from realm.logs.configuration import STARTED
from realm.oracle.served import Served
from realm.web import serve
from realm.world import World

log = logging.getLogger(__name__)

MOST_CONNECTIONS = 200


def run(world: World, settings: RealmConfig, *, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises CannotServe."""
    with (
        serve.bind_port(settings.bind, port, remedy="set REALM_ORACLE_PORT") as listening,
        Served(world, port) as served,
    ):
        url = serve.url_of(settings.bind, port)
        log.info("the oracle of %s answers at %s/", world.home, url, extra={"event": STARTED})
        serve.run(application(OracleHost(world, settings, served)), listening, most_connections=MOST_CONNECTIONS)
