"""`/api/train`: training sessions by the names of the first client; the jobs are those of `/api/training`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from arena import jobs
from vault.api import pages
from vault.api.asking import by
from vault.api.pages import USUAL, Limit, Offset
from watchtower.api import run_orders
from watchtower.api.run_answers import TrainingRun, training_run
from watchtower.api.run_orders import Start

router = Router()
HistoryPage = pages.page_of(TrainingRun, "history")


@router.post("", response=TrainingRun)
def train(request: HttpRequest, body: Start | None = None) -> Any:
    """Start a training session."""
    job = run_orders.start(request, body or Start())
    return training_run(job, message=f"{job.name} goes to the gatekeepers.")


@router.get("/status/{job_id}", response=TrainingRun)
def status(request: HttpRequest, job_id: str) -> Any:
    """How far it is."""
    return training_run(jobs.get(settings.WORLD, job_id))


@router.post("/stop/{job_id}", response=TrainingRun)
def stop(request: HttpRequest, job_id: str) -> Any:
    """One that waits is cancelled; one that runs is saved and ended."""
    job = jobs.stop(settings.WORLD, job_id, by=by(request))
    return training_run(job, message=f"Asked: stop {job.name}.")


@router.get("/history", response=HistoryPage)
def history(
    request: HttpRequest, state: str | None = None, q: str = "", limit: Limit = USUAL, offset: Offset = 0
) -> Any:
    """All sessions, newest first."""
    found = jobs.jobs(settings.WORLD, state=state, text=q, limit=limit, offset=offset)
    told = [training_run(job) for job in found.items]
    return pages.page(told, total=found.total, limit=limit, offset=offset, key="history")
