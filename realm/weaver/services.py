"""What runs in a world, in the order it is started; it is stopped in the opposite order."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World

TAVERN = "tavern"
ARENA = "arena"
ORACLE = "oracle"
VAULT = "vault"
TASKMASTER = "taskmaster"
GUARDIAN = "guardian"
ENGINE_PREFIX = "engine-"
"""Of services that keep an engine of hosts.yaml."""
TRAINER_PREFIX = "trainer-"
"""Of services that serve a skill's trainer."""
WAITED_FOR = (TAVERN, ARENA)
"""By the player; the others are started when the Tavern answers, and take no processor from these two before."""


@dataclass(frozen=True, kw_only=True)
class Service:
    name: str
    arguments: tuple[str, ...]
    """Of the Python interpreter, in the checkout."""
    stop_seconds: int
    """How long it may take to save and end before it is killed."""
    busy_seconds: int = 60
    """How long its loop may stand still while it works, before it counts as stuck."""
    port: int | None = None
    """On which it answers, where it does."""
    address: str = "127.0.0.1"
    """Of that port."""
    port_variable: str = ""
    """With which another port is chosen."""
    is_probed: bool = True
    """Whether whoever answers on that port is asked, too; one that waits for a checkpoint has nobody there."""


def _tavern(name: str, address: str, port: int, *, variable: str) -> Service:
    return Service(
        name=name,
        arguments=(
            "-m", "daphne", "-b", address, "-p", str(port), "--no-server-name",
            # Who stops reading is waited for (realm.web.slow_readers), until unanswered pings end it.
            "--ping-interval", "10", "--ping-timeout", "15", "realm.asgi:application",
        ),
        stop_seconds=10,
        port=port,
        address=address,
        port_variable=variable,
    )  # fmt: skip


def services(config: RealmConfig, world: World | None = None) -> tuple[Service, ...]:
    """Engines that the hosts of `world` ask for are among them where it is given."""
    return (
        _tavern(TAVERN, config.bind, config.port, variable="REALM_PORT"),
        Service(name=ARENA, arguments=("manage.py", "arena"), stop_seconds=60, busy_seconds=600),
        Service(
            name=ORACLE,
            arguments=("-m", "arena.oracle", "--port", str(config.oracle_port)),
            stop_seconds=15,
            port=config.oracle_port,
            address=config.oracle_bind,
            port_variable="REALM_ORACLE_PORT",
        ),
        Service(
            name=VAULT,
            arguments=("-m", "watchtower.api"),
            stop_seconds=10,
            port=config.vault_port,
            address=config.vault_bind,
            port_variable="REALM_VAULT_PORT",
        ),
        *(
            Service(name=f"{TRAINER_PREFIX}{skill}", arguments=("manage.py", "trainer", skill), stop_seconds=10)
            for skill in config.serve_trainers
        ),
        *(
            Service(
                name=f"bridge-{tool}",
                arguments=("manage.py", "bridge", tool, "--follow"),
                stop_seconds=10,
                busy_seconds=600,
            )
            for tool in config.bridges
        ),
        *(_engines(world) if world else ()),
        *(
            _tavern(f"{TAVERN}-{port}", config.bind, port, variable="web_ports in config.yaml")
            for port in config.web_ports
        ),
        Service(name=TASKMASTER, arguments=("manage.py", "taskmaster", "--daemon"), stop_seconds=40, busy_seconds=300),
        # The last one, since it is stopped first: it would start the others again.
        Service(name=GUARDIAN, arguments=("-m", "sentinels.guardian"), stop_seconds=5),
    )  # fmt: skip


def _engines(world: World) -> Iterator[Service]:
    """A hosts.yaml that cannot be read asks for none: the Tavern says what ails it."""
    from realm.hosts import read_hosts  # its addresses and tokens, which most who know the services need not

    try:
        hosts = read_hosts(world).hosts
    except BadConfig:
        return
    for host in hosts:
        if host.start is not None:
            yield Service(
                name=f"{ENGINE_PREFIX}{host.id}",
                arguments=("manage.py", "engine", host.id),
                stop_seconds=15,
                busy_seconds=600,
                port=host.services["inference"].port,
                port_variable=f"url of {host.id} in hosts.yaml",
                is_probed=False,
            )
