"""How the realm is, in one document: what `/health` and `/api/system/health` answer."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict
from typing import Any

from arena import status as arena_status
from realm.config import RealmConfig
from realm.health import HEALTHY
from realm.version import version
from realm.world import World
from sentinels import vitals


def report(world: World, config: RealmConfig, *, service: str) -> dict[str, Any]:
    """`status` is `degraded` when something does not work: see `troubles`. Waits for nobody longer than a second."""
    arena, now = arena_status.read_status(world), time.time()
    found = list(vitals.troubles(world, config, arena, now))
    return {
        "status": "degraded" if found else HEALTHY,
        "service": service,
        "world": str(world.home),
        "version": version(),
        "database": all(trouble.organ != "database" for trouble in found),
        "arena": {
            "alive": arena.alive,
            "state": arena.state,
            "age_s": None if arena.time is None else max(0.0, now - arena.time),
        },
        "troubles": [asdict(trouble) for trouble in found],
        "disk_free_bytes": shutil.disk_usage(world.home).free,
    }
