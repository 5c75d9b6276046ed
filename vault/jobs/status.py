"""What the vault's own process says of itself in `status/vault.json`, and whether it lives."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from realm.disk import durable, mailbox
from realm.disk.locks import Taken, is_held, only_one
from realm.heartbeat import Heartbeat
from realm.staleness import is_fresh
from realm.weaver import service_lock
from realm.world import World
from vault.errors import Refused

STATUS_FILE = "vault.json"
_LOCK_FILE = "vault.lock"


@dataclass(frozen=True, kw_only=True)
class VaultStatus:
    alive: bool
    fresh: bool
    """Whether it spoke within the last seconds."""
    time: float | None
    pid: int | None
    address: str
    """Where its API answers; empty where nobody knows."""


@contextmanager
def only_vault(world: World) -> Iterator[None]:
    """Hold the lock of the world's vault. Raises Refused."""
    try:
        with only_one(world.control / _LOCK_FILE):
            yield
    except Taken as pid:
        raise Refused(f"the vault of {world.home} is served by {service_lock.in_words(str(pid))}") from None


def is_served(world: World) -> bool:
    """Whether a process holds the vault's lock: it performs what waits."""
    return is_held(world.control / _LOCK_FILE)


def write(world: World, *, address: str) -> None:
    told = {"time": time.time(), "pid": os.getpid(), "address": address}
    durable.write_json(world.status / STATUS_FILE, told, sync=False)


def read(world: World) -> VaultStatus:
    alive = is_served(world)
    try:
        said = Heartbeat(mailbox.read_json(world.status / STATUS_FILE))
    except (OSError, mailbox.Damaged):
        said = Heartbeat({})
    return VaultStatus(
        alive=alive,
        fresh=alive and is_fresh(said.time, time.time()),
        time=said.time,
        pid=said.pid if alive else None,
        address=said.text("address") or "",
    )
