"""What the vault's own process says beside the API: that it is well, and that there is nothing at an address."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from realm.health import HEALTHY
from realm.machine import readings, wire
from realm.version import version


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    told: dict[str, Any] = {
        "status": HEALTHY,
        "service": "vault",
        "world": str(settings.WORLD.home),
        "version": version(),
    }
    told[wire.KEY] = wire.told(readings.read(settings.WORLD.home))
    return JsonResponse(told, headers={"Cache-Control": "no-store"})


def not_found(request: HttpRequest, exception: Exception) -> JsonResponse:
    return JsonResponse({"success": False, "error": "There is nothing here; see /api/docs."}, status=404)
