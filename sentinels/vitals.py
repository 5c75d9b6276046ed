"""What the web process can tell of its realm at once: each organ's trouble in one sentence, empty where it is well."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import dataclass

from django.db import DatabaseError, connection

from arena.models import Quest
from arena.status import ArenaStatus
from guild.tasks.selectors import OFFLINE, master_status
from realm.config import RealmConfig
from realm.machine.gpus import of_this_machine
from realm.staleness import STALE_SECONDS, is_fresh
from realm.weaver import supervisord
from realm.weaver.supervisord_config import SERVICE_VARIABLE
from realm.web import identity
from realm.world import World
from vault.jobs import status as vault_status

_ASK_SECONDS = 1.0
STARTING_SECONDS = 10.0
"""After this process began the services that are started behind it are still on their way."""
_BEGAN = time.monotonic()


@dataclass(frozen=True, kw_only=True)
class Trouble:
    organ: str
    said: str


def troubles(world: World, config: RealmConfig, arena: ArenaStatus, now: float) -> Iterator[Trouble]:
    """Of everything that a world needs; of services beside the arena where a supervisord is to keep them alive."""
    organs = {"database": database(world), "arena": of_arena(arena, now), "gpus": gpus()}
    if SERVICE_VARIABLE in os.environ:
        organs |= {"weaver": _weaver(world)}
        if time.monotonic() - _BEGAN > STARTING_SECONDS:
            organs |= {"oracle": oracle(world, config), "vault": vault(world), "taskmaster": taskmaster(world)}
    for organ, said in organs.items():
        if said:
            yield Trouble(organ=organ, said=said)


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
    return identity.trouble(world, "oracle", config.bind, config.oracle_port, seconds=_ASK_SECONDS)


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
