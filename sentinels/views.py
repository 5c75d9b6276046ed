"""`/livez`, `/readyz`, `/health`: what a web process can tell, waiting for nobody longer than a second."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_safe

from sentinels.health import FAIL, PASS, readiness, report


@login_not_required
@require_safe
def livez(request: HttpRequest) -> JsonResponse:
    """200 whenever this process takes requests; it asks nobody, no database either."""
    return _answer({"status": PASS})


@require_safe
def readyz(request: HttpRequest) -> JsonResponse:
    """200 where it may be used; 503 with the reason while its database does not answer or is not of this release."""
    why_not = readiness(settings.WORLD)
    if why_not:
        return _answer({"status": FAIL, "output": why_not}, status=503)
    return _answer({"status": PASS})


@require_safe
def health(request: HttpRequest) -> JsonResponse:
    """200 whenever the web itself works; `status` is `degraded` when something behind it does not: see `troubles`."""
    return _answer(report(settings.WORLD, settings.REALM, service="tavern"))


def _answer(told: dict[str, Any], *, status: int = 200) -> JsonResponse:
    return JsonResponse(told, status=status, headers={"Cache-Control": "no-store"})
