"""`/api/system/health`: the same as `/health`, in the API's document."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from sentinels.health import report

router = Router()


class ArenaHealth(Schema):
    alive: bool
    state: str
    age_s: float | None


class HealthFinding(Schema):
    organ: str
    said: str


class Health(Schema):
    status: str
    """`healthy` or `degraded`."""
    service: str
    world: str
    version: str
    database: bool
    arena: ArenaHealth
    troubles: list[HealthFinding]
    disk_free_bytes: int


@router.get("/health", response=Health)
def health(request: HttpRequest) -> Any:
    """How the realm is; 200 whenever this process itself works."""
    return report(settings.WORLD, settings.REALM, service="api")
