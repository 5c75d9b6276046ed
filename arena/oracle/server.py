"""The process of an inference host."""

from __future__ import annotations

from arena.oracle.app import application
from arena.oracle.host import OracleHost
from realm.config import RealmConfig
from realm.oracle.served import Served
from realm.web import serve
from realm.world import World

MOST_CONNECTIONS = 200


def run(world: World, settings: RealmConfig, *, port: int) -> None:
    """Until SIGTERM or SIGINT. Raises CannotServe."""
    with (
        serve.bind_port(settings.bind, port, remedy="set REALM_ORACLE_PORT") as listening,
        Served(world, port) as served,
    ):
        print(f"the oracle of {world.home} answers at {serve.url_of(settings.bind, port)}/", flush=True)
        serve.run(application(OracleHost(world, settings, served)), listening, most_connections=MOST_CONNECTIONS)
