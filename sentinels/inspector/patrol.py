"""A patrol: every check in its turn, each bounded in time, and none of them the end of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future
from dataclasses import replace

from django.db import DEFAULT_DB_ALIAS, connections

from realm.config import RealmConfig
from realm.world import World
from sentinels.inspector import (
    arena,
    checkpoints,
    clock,
    configuration,
    database,
    disk,
    gpus,
    guardian,
    hosts,
    ledger,
    permissions,
    queue,
    services,
    trainers,
    workers,
)  # fmt: skip
from sentinels.inspector.finding import UNKNOWN, Finding, Patrolled, trouble
from sentinels.inspector.report import write_report

log = logging.getLogger(__name__)

CHECK_SECONDS = 20.0
"""A check that takes longer is given up; beyond it lies what never answers, such as a NAS whose cable was pulled."""
DEEP_SECONDS = 4 * 3600.0
Check = Callable[[Patrolled], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "services": services.look, "guardian": guardian.look, "arena": arena.look, "disk": disk.look,
    "database": database.look, "queue": queue.look, "configuration": configuration.look,
    "checkpoints": checkpoints.look, "ledger": ledger.look, "clock": clock.look, "permissions": permissions.look,
    "gpus": gpus.look, "hosts": hosts.look, "trainers": trainers.look,
    "workers": workers.look,
}  # fmt: skip


def patrol(world: World, config: RealmConfig, *, only: Collection[str] = (), deep: bool = False) -> list[Finding]:
    """What was found, check by check, whatever they meet; a whole patrol also writes `status/health.json`.

    `only` are names of CHECKS; none means all. Raises OSError where the file cannot be written.
    """
    patrolled = Patrolled(world=world, config=config, deep=deep)
    chosen = {name: check for name, check in CHECKS.items() if not only or name in only}
    found = [finding for name, check in chosen.items() for finding in _bounded(name, check, patrolled)]
    if not only:
        write_report(world, found)
    return found


def _bounded(name: str, check: Check, patrolled: Patrolled) -> list[Finding]:
    """In a thread of its own, which is left behind where it hangs; with the caller's connection, who waits for it."""
    outcome: Future[list[Finding]] = Future()
    connection = connections[DEFAULT_DB_ALIAS]
    connection.inc_thread_sharing()

    def look() -> None:
        connections[DEFAULT_DB_ALIAS] = connection
        try:
            outcome.set_result(list(check(patrolled)))
        except Exception as error:
            log.warning("the check of %s failed", name, exc_info=True)
            outcome.set_result([trouble(name, f"{UNKNOWN}: {type(error).__name__}: {error}")])

    threading.Thread(target=look, daemon=True, name=f"patrol {name}").start()
    seconds = DEEP_SECONDS if patrolled.deep else CHECK_SECONDS
    try:
        found = outcome.result(seconds)
    except TimeoutError:
        found = [trouble(name, f"{UNKNOWN}: it took longer than {seconds:.0f} s")]
    return [replace(finding, check=name) for finding in found]
