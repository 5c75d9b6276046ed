"""What the web process can tell of its realm at once: each organ's trouble in one sentence, empty where it is well."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connection

from arena.models import Quest
from arena.status import ArenaStatus
from guild.tasks.selectors import OFFLINE, master_status
from realm.config import RealmConfig, reached_at
from realm.machine.gpus import of_this_machine
from realm.oracle import own_token
from realm.staleness import STALE_SECONDS, is_fresh
from realm.weaver import guarded, supervisord
from realm.weaver.services import ORACLE, TASKMASTER, VAULT
from realm.weaver.starter import SERVICE_VARIABLE
from realm.web import identity
from realm.world import World
from vault.jobs import status as vault_status

_ASK_SECONDS = 1.0
STARTING_SECONDS, LAST_STARTED_SECONDS = 10.0, 60.0
"""After this process began the services that are started behind it are still on their way: for so long in any case,
and for so long where the guardian, the last of them, has not spoken yet."""
_BEGAN = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Trouble:
    organ: str
    said: str


def troubles(world: World, config: RealmConfig, arena: ArenaStatus, now: float) -> Iterator[Trouble]:
    for organ, said in organs(world, config, arena, now).items():
        if said:
            yield Trouble(organ=organ, said=said)


def organs(world: World, config: RealmConfig, arena: ArenaStatus, now: float) -> dict[str, str]:
    """What is wrong with each thing that a world needs, empty where it is well; of services beside the arena only where
    a supervisord is to keep them alive."""
    found = {"database": database(world), "arena": of_arena(arena, now), "gpus": gpus()}
    if config.redis_url:
        found |= {"redis": redis(config.redis_url)}
    if SERVICE_VARIABLE in os.environ:
        found |= {"weaver": _weaver(world)}
        beside: dict[str, Callable[[], str]] = {
            ORACLE: lambda: oracle(world, config),
            VAULT: lambda: vault(world),
            TASKMASTER: lambda: taskmaster(world),
        }
        starting = _starting(world)
        found |= {name: look() for name, look in beside.items() if name not in starting}
    return found


def _starting(world: World) -> Container[str]:
    """Of the services beside the arena. One that starts for too long the guardian calls stuck."""
    age, seen = time.monotonic() - _BEGAN, guarded.read(world)
    if age <= (STARTING_SECONDS if seen else LAST_STARTED_SECONDS):
        return (ORACLE, VAULT, TASKMASTER)
    return {name for name, service in seen.items() if service.state == guarded.STARTING}


def database(world: World) -> str:
    """A file that is gone, too: opening it makes an empty one, which a query finds."""
    is_ours = connection.vendor == "sqlite" and connection.settings_dict["NAME"] == world.database
    if is_ours and not world.database.exists():
        return f"{world.database.name} is gone; the arena makes it anew from the files"
    try:
        Quest.objects.exists()
    except (DatabaseError, sqlite3.Error) as error:
        return f"it does not answer: {error}"
    return ""


def redis(url: str) -> str:
    """Without it pages look by themselves, a quarter of a second later."""
    from redis import Redis, RedisError  # only where the settings name a server its driver must be there

    try:
        with Redis.from_url(url, socket_connect_timeout=_ASK_SECONDS, socket_timeout=_ASK_SECONDS) as server:
            server.ping()
    except RedisError as error:
        return f"it does not answer, pages look by themselves: {error}"
    return ""


def of_arena(arena: ArenaStatus, now: float) -> str:
    if not arena.alive:
        return "its daemon does not run"
    if arena.time is None:
        return "its daemon has said nothing yet"
    if not is_fresh(arena.time, now):
        return silent("its daemon", arena.time, now)
    return arena.message or ("it waits" if arena.waits else "")


def gpus() -> str:
    """Of their driver; a machine that has none is well."""
    reader = of_this_machine()
    reader.read()
    return "their driver does not answer; `nvidia-smi` may say why" if reader.is_stuck else ""


def taskmaster(world: World) -> str:
    master = master_status(world)
    if not master.alive:
        return OFFLINE
    if master.stale:
        return silent("it", master.time, time.time())
    return master.trouble


def oracle(world: World, config: RealmConfig) -> str:
    """Its address need not be loopback's, where it answers nobody without the world's own token."""
    address, token = reached_at(config.oracle_bind), own_token.read(world)
    return identity.trouble(world, "oracle", address, config.oracle_port, seconds=_ASK_SECONDS, token=token)


def vault(world: World) -> str:
    """By its heartbeat: beyond loopback its port answers nobody without a token."""
    told, now = vault_status.read(world), time.time()
    if not told.alive:
        return "its process does not run; what is to be copied waits"
    return "" if told.fresh else silent("it", told.time, now)


def silent(who: str, told_at: float | None, now: float) -> str:
    if told_at is None:
        return f"{who} has said nothing yet"
    if told_at > now + STALE_SECONDS:
        return f"{who} spoke last in the future: the clock was set back"
    return f"{who} has been silent for {now - told_at:.0f} s"


def _weaver(world: World) -> str:
    lives = supervisord.is_alive(world)
    return "" if lives else "supervisord is gone: what ends is not started again until `scripts/start_all.sh`"
