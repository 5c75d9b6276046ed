"""How the realm is, in one document: what `/health` and `/api/system/health` answer."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict
from typing import Any

from django.db import DatabaseError

from arena import status as arena_status
from realm.config import RealmConfig
from realm.databases.database import is_behind, newer_migrations
from realm.health import HEALTHY
from realm.version import version
from realm.world import World
from sentinels import vitals
from sentinels.inspector.disk import LEAST_FREE_BYTES, LITTLE_FREE_BYTES
from sentinels.inspector.finding import Verdict, named
from sentinels.inspector.report import read_report

PASS, WARN, FAIL = "pass", "warn", "fail"
"""Of checks, as the draft of health+json had them."""
_OF_VERDICT: dict[Verdict, str] = {"ok": PASS, "warning": WARN, "trouble": FAIL}
DEGRADED = "degraded"


def report(world: World, config: RealmConfig, *, service: str) -> dict[str, Any]:
    """`status` is `degraded` when something does not work: see `troubles`. Waits for nobody longer than a second.

    `checks` hold each thing that was looked at, by name: `status` is `pass`, `warn` or `fail`, `output` says why. The
    last patrol is told there, too, and degrades nothing: it may be of some minutes ago.
    """
    arena, now = arena_status.read_status(world), time.time()
    organs = vitals.organs(world, config, arena, now)
    found = [vitals.Trouble(organ=organ, said=said) for organ, said in organs.items() if said]
    free = shutil.disk_usage(world.home).free
    checks = {organ: _check(FAIL if said else PASS, said) for organ, said in organs.items()}
    return {
        "status": DEGRADED if found else HEALTHY,
        "service": service,
        "world": str(world.home),
        "version": version(),
        "database": not organs["database"],
        "arena": {
            "alive": arena.alive,
            "state": arena.state,
            "age_s": None if arena.time is None else max(0.0, now - arena.time),
        },
        "troubles": [asdict(trouble) for trouble in found],
        "disk_free_bytes": free,
        "checks": checks | {"disk": _disk(free)} | _patrol(world),
    }


def readiness(world: World) -> str:
    """Why this process may not be used; empty where it may."""
    if said := vitals.database(world):
        return f"the database: {said}"
    try:
        if is_behind() or newer_migrations():
            return "the database is of another release"
    except DatabaseError as error:
        return f"the database: it does not answer: {error}"
    return ""


def _check(status: str, output: str) -> dict[str, str]:
    return {"status": status, "output": output}


def _disk(free: int) -> dict[str, str]:
    status = FAIL if free < LEAST_FREE_BYTES else WARN if free < LITTLE_FREE_BYTES else PASS
    return _check(status, "" if status == PASS else f"{free / 1e9:.1f} GB are free")


def _patrol(world: World) -> dict[str, dict[str, str]]:
    last = read_report(world)
    if last is None:
        return {}
    worst = [f"{finding.what}: {finding.sentence}" for finding in last.found if finding.verdict == last.verdict]
    return {"patrol": _check(_OF_VERDICT[last.verdict], "" if last.verdict == "ok" else named(worst))}
