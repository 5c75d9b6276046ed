"""What runs in a world, in the order it is started; it is stopped in the opposite order."""

from __future__ import annotations

from dataclasses import dataclass

from realm.config import RealmConfig

TAVERN = "tavern"
ARENA = "arena"
ORACLE = "oracle"
TASKMASTER = "taskmaster"
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


def services(config: RealmConfig) -> tuple[Service, ...]:
    return (
        Service(
            name=TAVERN,
            arguments=(
                "-m", "daphne", "-b", config.bind, "-p", str(config.port), "--no-server-name",
                # Daphne buffers without bound for a browser that stops reading; unanswered pings end it instead.
                "--ping-interval", "10", "--ping-timeout", "15", "realm.asgi:application",
            ),
            stop_seconds=10,
            port=config.port,
        ),
        Service(name=ARENA, arguments=("manage.py", "arena"), stop_seconds=60),
        Service(
            name=ORACLE,
            arguments=("-m", "arena.oracle", "--port", str(config.oracle_port)),
            stop_seconds=15,
            port=config.oracle_port,
        ),
        *(
            Service(name=f"trainer-{skill}", arguments=("manage.py", "trainer", skill), stop_seconds=10)
            for skill in config.serve_trainers
        ),
        Service(name=TASKMASTER, arguments=("manage.py", "taskmaster", "--daemon"), stop_seconds=40),
    )  # fmt: skip
