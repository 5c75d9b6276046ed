"""`/health`: what the web process can tell about itself and the realm, waiting for nobody longer than a second."""

from __future__ import annotations

import shutil
import time
from dataclasses import asdict

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from arena import status as arena_status
from realm.health import HEALTHY
from realm.version import version
from realm.world import World
from sentinels import vitals


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 whenever the web itself works; `status` is `degraded` when something behind it does not: see `troubles`."""
    world: World = settings.WORLD
    arena, now = arena_status.read_status(world), time.time()
    found = list(vitals.troubles(world, settings.REALM, arena, now))
    answer = {
        "status": "degraded" if found else HEALTHY,
        "service": "tavern",
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
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})
