"""`/api/jobs`: what the vault does and did."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from realm import strict
from vault.api.asking import Limit, by
from vault.jobs import queue
from vault.models import Job

router = Router()


@router.get("/jobs")
def jobs(request: HttpRequest, state: str | None = None, limit: Limit = 100) -> Any:
    """Newest first."""
    if state is not None and state not in Job.State.values:
        raise ValueError(f"state: {strict.shown(state)} is not allowed; allowed are {', '.join(Job.State.values)}")
    rows = Job.objects.filter(state=state) if state else Job.objects.all()
    listed = list(rows[: limit or None])
    return {"count": len(listed), "jobs": listed}


@router.get("/jobs/{int:job_id}")
def job(request: HttpRequest, job_id: int) -> Any:
    """How far it is, or what came of it."""
    return queue.get(job_id)


@router.post("/jobs/{int:job_id}/cancel")
def cancel(request: HttpRequest, job_id: int) -> Any:
    """It is not begun, or ends soon and leaves nothing half."""
    return queue.cancel(job_id, by=by(request))
