"""What the vault's own process says beside the API: that it is well, and that there is nothing at an address."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from realm.health import HEALTHY
from realm.machine import readings, wire
from realm.version import version
from realm.web.problems import MEDIA_TYPE, problem
from sentinels.health import DEGRADED, FAIL, PASS, readiness


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    told: dict[str, Any] = {
        "service": "vault",
        "world": str(settings.WORLD.home),
        "version": version(),
    }
    why_not = readiness(settings.WORLD)
    told["status"] = DEGRADED if why_not else HEALTHY
    told["checks"] = {"database": {"status": FAIL if why_not else PASS, "output": why_not}}
    told[wire.KEY] = wire.told(readings.read(settings.WORLD.home))
    return JsonResponse(told, headers={"Cache-Control": "no-store"})


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    told = problem("There is nothing here; see /api/docs.", status=404, instance=request.path)
    return JsonResponse(told, status=404, content_type=MEDIA_TYPE)
