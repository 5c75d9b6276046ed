"""`/api/training/runs/{run_id}/report.html`: what the page offers as a file."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from ninja import Router

from tavern.battles import report
from watchtower.api.run_history import find

router = Router()
_FILE: dict[str, Any] = {
    "responses": {200: {"description": "The report.", "content": {"text/html": {"schema": {"type": "string"}}}}}
}


@router.get("/runs/{run_id}/report.html", openapi_extra=_FILE)
def battle_report(request: HttpRequest, run_id: str) -> HttpResponse:
    """One file with curves, figures, recipe and verdict in it, without a script or anything from elsewhere."""
    battle = find(run_id)
    return report.answer(report.of_battle(settings.WORLD, battle), f"{battle.battle_id}.html")
