"""A patrol of what a realm needs: services, the arena's heartbeat, disk, database, inference hosts, trainers."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Literal

from django.db import DatabaseError, connection

from arena import status as arena_status
from guild.skills import check as skill_check
from guild.skills import health
from guild.skills.registry import broken_skills
from realm import hosts
from realm.config import RealmConfig
from realm.disk import durable
from realm.health import HEALTHY
from realm.machine.gpus import ALARMING, of_this_machine
from realm.oracle.sync_client import HostTrouble, OracleClient
from realm.staleness import is_fresh
from realm.strict import BadConfig
from realm.weaver import WeaverError, supervisord, verbs
from realm.weaver.services import TASKMASTER, TAVERN, VAULT
from realm.web import identity
from realm.world import World
from sentinels import vitals

HEALTH_FILE = "health.json"
LEAST_FREE_BYTES, LITTLE_FREE_BYTES = 500 * 10**6, 5 * 10**9
HOST_SECONDS = 5.0

Verdict = Literal["ok", "warning", "trouble"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    what: str
    verdict: Verdict
    said: str


def patrol(world: World, config: RealmConfig) -> list[Finding]:
    """Looks at everything, whatever it meets, and writes `status/health.json`."""
    checks: tuple[Callable[[World, RealmConfig], Iterator[Finding]], ...] = (
        _disk, _database, _services, _arena, _hosts, _trainers, _gpus,
    )  # fmt: skip
    found = [finding for check in checks for finding in check(world, config)]
    worst: Verdict = max((finding.verdict for finding in found), key=("ok", "warning", "trouble").index)
    told = {"time": time.time(), "verdict": worst, "found": [asdict(finding) for finding in found]}
    durable.write_json(world.status / HEALTH_FILE, told, sync=False)
    return found


def _disk(world: World, config: RealmConfig) -> Iterator[Finding]:
    free = shutil.disk_usage(world.home).free
    verdict: Verdict = "ok" if free >= LITTLE_FREE_BYTES else "warning" if free >= LEAST_FREE_BYTES else "trouble"
    yield Finding(what="disk", verdict=verdict, said=f"{free / 1e9:.1f} GB are free")


def _database(world: World, config: RealmConfig) -> Iterator[Finding]:
    """A damaged page is found here, before the daemon meets it."""
    if trouble := vitals.database(world):
        yield Finding(what="database", verdict="trouble", said=trouble)
        return
    try:
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA quick_check(1)" if connection.vendor == "sqlite" else "SELECT 'ok'")
            (said,) = cursor.fetchone()
    except DatabaseError as error:
        yield Finding(what="database", verdict="trouble", said=f"it does not answer: {error}")
        return
    whole = said == "ok"
    yield Finding(what="database", verdict="ok" if whole else "trouble", said="whole" if whole else f"damaged: {said}")


def _services(world: World, config: RealmConfig) -> Iterator[Finding]:
    try:
        states = verbs.status(world, config)
    except WeaverError as error:
        yield Finding(what="services", verdict="trouble", said=str(error))
        return
    if all(state.state == "STOPPED" for state in states):
        yield Finding(what="services", verdict="warning", said="no weaver runs; `weave --daemon` starts everything")
        return
    if not supervisord.is_alive(world):
        yield Finding(what="services", verdict="trouble", said="supervisord is gone; `weave --daemon` mends it")
    for state in states:
        said = state.state.lower()
        yield Finding(what=f"service {state.name}", verdict="ok" if state.runs else "trouble", said=said)
    if trouble := identity.trouble(world, TAVERN, config.bind, config.port, seconds=HOST_SECONDS):
        yield Finding(what=TAVERN, verdict="trouble", said=trouble)
    for name, trouble in ((TASKMASTER, vitals.taskmaster(world)), (VAULT, vitals.vault(world))):
        if trouble:
            yield Finding(what=name, verdict="trouble", said=trouble)


def _arena(world: World, config: RealmConfig) -> Iterator[Finding]:
    status, now = arena_status.read_status(world), time.time()
    trouble = vitals.of_arena(status, now)
    if not (status.alive and is_fresh(status.time, now)):
        yield Finding(what="arena", verdict="trouble", said=trouble)
        return
    said = f"{status.state}: {trouble}" if trouble else status.state
    yield Finding(what="arena", verdict="warning" if trouble else "ok", said=said)


def _hosts(world: World, config: RealmConfig) -> Iterator[Finding]:
    try:
        known = hosts.read_hosts(world, oracle_port=config.oracle_port)
    except BadConfig as error:
        yield Finding(what="hosts", verdict="trouble", said=str(error))
        return
    for sentence in known.broken.values():
        yield Finding(what="hosts", verdict="trouble", said=sentence)
    for host in known.hosts:
        yield _host(host)


def _host(host: hosts.Host) -> Finding:
    try:
        with OracleClient(host, timeout_seconds=HOST_SECONDS) as oracle:
            said = oracle.health()
    except HostTrouble as error:
        return Finding(what=f"host {host.id}", verdict="warning", said=str(error))
    return Finding(what=f"host {host.id}", verdict="ok", said=str(said.get("status", HEALTHY)))


def _gpus(world: World, config: RealmConfig) -> Iterator[Finding]:
    if trouble := vitals.gpus():
        yield Finding(what="gpus", verdict="trouble", said=trouble)
        return
    for gpu in of_this_machine().read() or ():
        alarming = [why for why in gpu.throttled_by or () if why in ALARMING]
        told = "unknown" if gpu.temperature_celsius is None else f"{gpu.temperature_celsius:.0f} °C"
        said = f"{gpu.name}: {', '.join([told, *(f'slowed down: {why}' for why in alarming)])}"
        yield Finding(what=f"gpu {gpu.index}", verdict="warning" if alarming else "ok", said=said)


def _trainers(world: World, config: RealmConfig) -> Iterator[Finding]:
    """Remote ones are asked for a problem, unless they failed a short while ago."""
    for sentence in broken_skills():
        yield Finding(what="skills", verdict="warning", said=sentence)
    for skill, trouble in sorted(skill_check.check_remote(world).items()):
        if trouble is None:
            yield Finding(what=f"trainer {skill}", verdict="ok", said="it gives problems and judges them")
    for skill, entry in sorted(health.down(world).items()):
        yield Finding(what=f"trainer {skill}", verdict="warning", said=entry.reason)
