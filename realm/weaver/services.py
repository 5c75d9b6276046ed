"""What runs in a world, in the order it is started; it is stopped in the opposite order."""

from __future__ import annotations

from dataclasses import dataclass

from realm.config import RealmConfig

TAVERN = "tavern"
ARENA = "arena"
ORACLE = "oracle"
VAULT = "vault"
TASKMASTER = "taskmaster"
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
    port: int | None = None
    """On which it answers, where it does."""
    address: str = "127.0.0.1"
    """Of that port."""
    port_variable: str = ""
    """With which another port is chosen."""


def services(config: RealmConfig) -> tuple[Service, ...]:
    return (
        Service(
            name=TAVERN,
            arguments=(
                "-m", "daphne", "-b", config.bind, "-p", str(config.port), "--no-server-name",
                # Who stops reading is waited for (realm.web.slow_readers), until unanswered pings end it.
                "--ping-interval", "10", "--ping-timeout", "15", "realm.asgi:application",
            ),
            stop_seconds=10,
            port=config.port,
            address=config.bind,
            port_variable="REALM_PORT",
        ),
        Service(name=ARENA, arguments=("manage.py", "arena"), stop_seconds=60),
        Service(
            name=ORACLE,
            arguments=("-m", "arena.oracle", "--port", str(config.oracle_port)),
            stop_seconds=15,
            port=config.oracle_port,
            address=config.bind,
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
            Service(name=f"bridge-{tool}", arguments=("manage.py", "bridge", tool, "--follow"), stop_seconds=10)
            for tool in config.bridges
        ),
        Service(name=TASKMASTER, arguments=("manage.py", "taskmaster", "--daemon"), stop_seconds=40),
    )  # fmt: skip
