"""`/api/system/health`, the same as `/health`, and `/api/system/patrol`: the last patrol, and one now."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import Field

from sentinels import patrol_orders
from sentinels.health import report
from sentinels.inspector.finding import Finding, Verdict
from sentinels.inspector.report import read_report

BY = "api"
router = Router()


class ArenaHealth(Schema):
    alive: bool
    state: str
    age_s: float | None


class HealthFinding(Schema):
    organ: str
    said: str


class HealthCheck(Schema):
    status: Literal["pass", "warn", "fail"]
    output: str
    """Why; empty where it passes."""


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
    checks: dict[str, HealthCheck]
    """By what was looked at."""


class Patrolled(Schema):
    under_way: bool
    """Whether one is performed now, or is about to be."""
    time: Annotated[float | None, Field(description="When the last one ended, in seconds since 1970")]
    verdict: Verdict | None
    """The worst of what was found; None before the first patrol."""
    found: list[Finding]


class PatrolAsked(Schema):
    success: bool
    message: str


@router.get("/health", response=Health)
def health(request: HttpRequest) -> Any:
    """How the realm is; 200 whenever this process itself works.

    `/livez` on ports 8888, 8767 and 8765 answers 200 whenever the process takes requests, `/readyz` 503 while it may
    not be used.
    """
    return report(settings.WORLD, settings.REALM, service="api")


@router.get("/patrol", response=Patrolled)
def patrol(request: HttpRequest) -> Any:
    """What the last patrol found, with what to do about it."""
    last = read_report(settings.WORLD)
    return {
        "under_way": patrol_orders.is_under_way(settings.WORLD),
        "time": last.time if last else None,
        "verdict": last.verdict if last else None,
        "found": list(last.found) if last else [],
    }


@router.post("/patrol", response={202: PatrolAsked})
def patrol_now(request: HttpRequest) -> Any:
    """Ask for a patrol now. It takes some seconds, in a process of its own; `GET` tells when it has ended."""
    return Status(202, {"success": True, "message": patrol_orders.ask(settings.WORLD, by=BY)})
