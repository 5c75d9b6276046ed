"""`/health`: what the web process can tell about itself and the realm, without waiting for anybody."""

from __future__ import annotations

import shutil
import time

from django.conf import settings
from django.db import DatabaseError, connection
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from arena import status as arena_status
from realm.health import HEALTHY
from realm.staleness import STALE_SECONDS
from realm.version import version
from realm.world import World


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 whenever the web itself works; `status` is `degraded` when something behind it does not."""
    world: World = settings.WORLD
    arena = arena_status.read_status(world)
    age_seconds = None if arena.time is None else max(0.0, time.time() - arena.time)
    fresh = age_seconds is not None and age_seconds <= STALE_SECONDS
    database = _database_answers()
    answer = {
        "status": HEALTHY if database and arena.alive and fresh else "degraded",
        "version": version(),
        "database": database,
        "arena": {"alive": arena.alive, "state": arena.state, "age_s": age_seconds},
        "disk_free_bytes": shutil.disk_usage(world.home).free,
    }
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return False
    return True
