"""Runs as the API tells them: training jobs, and the guild's forges, sparrings and trials."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any

from ninja import Schema

from arena.jobs.job import Job, JobState
from guild.models import Run
from guild.work import runs


@dataclass(frozen=True, kw_only=True)
class TrainingRun(Job):
    """A training job, with the other names that its keys go by."""

    success: bool = True
    job_id: str
    run_id: str
    status: JobState
    current_step: int
    total_steps: int | None
    message: str = ""
    """What the answer to an order says."""


def training_run(job: Job, *, message: str = "") -> TrainingRun:
    return TrainingRun(
        **{field.name: getattr(job, field.name) for field in fields(Job)},
        job_id=job.id,
        run_id=job.id,
        status=job.state,
        current_step=job.progress.step,
        total_steps=job.progress.total,
        message=message or job.reason,
    )


class GuildProgress(Schema):
    done: int
    total: int
    percent: float | None


class GuildRun(Schema):
    """A forge, a sparring or a trial."""

    success: bool = True
    id: int
    run_id: int
    kind: str
    status: str
    title: str
    message: str
    parameters: dict[str, Any]
    progress: GuildProgress
    created_by: str
    created_at: datetime
    started_at: datetime | None
    ended_at: datetime | None


class GuildRunWithResults(GuildRun):
    results: dict[str, Any]
    events: list[dict[str, Any]]
    """What it told, the oldest first; of a long one only the end is kept."""


def guild_run(run: Run) -> dict[str, Any]:
    done, total = run.progress_done, run.progress_total
    return {
        "success": True,
        "id": run.pk,
        "run_id": run.pk,
        "kind": run.kind,
        "status": run.state,
        "title": run.title,
        "message": run.message,
        "parameters": run.parameters,
        "progress": {"done": done, "total": total, "percent": round(100 * done / total, 2) if total else None},
        "created_by": run.created_by,
        "created_at": run.created_at,
        "started_at": run.started_at,
        "ended_at": run.ended_at,
    }


def guild_run_with_results(run: Run) -> dict[str, Any]:
    return guild_run(run) | {"results": runs.results(run), "events": runs.events(run)}
