"""`/api/jobs`: what the vault does and did."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from ninja import Router

from realm import strict
from realm.management.as_json import plain
from vault.api import pages
from vault.api.asking import by
from vault.api.pages import AnyLimit, Offset
from vault.jobs import queue
from vault.models import Job

router = Router()
JobsPage = pages.page_of(pages.Entry, "jobs")


@router.get("/jobs", response=JobsPage)
def jobs(request: HttpRequest, state: str | None = None, limit: AnyLimit = 100, offset: Offset = 0) -> Any:
    """Newest first."""
    if state is not None and state not in Job.State.values:
        raise ValueError(f"state: {strict.shown(state)} is not allowed; allowed are {', '.join(Job.State.values)}")
    rows = Job.objects.filter(state=state) if state else Job.objects.all()
    return pages.cut(rows, limit=limit, offset=offset, key="jobs", told=plain)


@router.get("/jobs/{int:job_id}", response=pages.Entry)
def job(request: HttpRequest, job_id: int) -> Any:
    """How far it is, or what came of it."""
    return plain(queue.get(job_id))


@router.post("/jobs/{int:job_id}/cancel", response=pages.Entry)
def cancel(request: HttpRequest, job_id: int) -> Any:
    """It is not begun, or ends soon and leaves nothing half."""
    return plain(queue.cancel(job_id, by=by(request)))
