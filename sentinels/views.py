"""`/health`: what the web process can tell about itself and the realm, waiting for nobody longer than a second."""

from __future__ import annotations

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from sentinels.health import report


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 whenever the web itself works; `status` is `degraded` when something behind it does not: see `troubles`."""
    answer = report(settings.WORLD, settings.REALM, service="tavern")
    return JsonResponse(answer, headers={"Cache-Control": "no-store"})
