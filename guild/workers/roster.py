"""Who works: the rows that workers write of themselves, and what they do now, for pages and commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import DurationField, ExpressionWrapper, F, QuerySet
from django.db.models.functions import Now

from guild.models import Worker
from guild.workers import jobs, possible
from guild.workers.jobs import SILENT_SECONDS, Job
from guild.workers.resources import Resource

FORGOTTEN = timedelta(days=1)
"""A dead one is named for so long."""


@dataclass(frozen=True, kw_only=True)
class Seen:
    name: str
    host: str
    resources: tuple[str, ...]
    pid: int
    started_at: datetime
    heartbeat_at: datetime
    silent_seconds: float
    """By the database's clock, as all that is said of a heartbeat: machines differ in theirs."""
    alive: bool
    busy: str
    """What else its machine does, in one sentence; empty where it is idle."""
    jobs: tuple[Job, ...]
    """What it works on, and what waits for it; of a dead one what it has left."""

    @property
    def queues(self) -> tuple[str, ...]:
        return tuple(Resource.read(text).queue(self.host) for text in self.resources)


@dataclass(frozen=True, kw_only=True)
class Roster:
    why_not: str
    """Why there can be no workers; empty where there can."""
    workers: tuple[Seen, ...] = ()
    stray: tuple[Job, ...] = ()
    """In queues that no worker ever served under its present name."""


def look() -> Roster:
    """Every worker of this world's database, the living ones first."""
    if why := possible.why_not():
        return Roster(why_not=why)
    open_jobs = jobs.open_jobs()
    workers = sorted((_seen(row, open_jobs) for row in _rows()), key=lambda seen: not seen.alive)
    served = {queue for seen in workers for queue in seen.queues}
    return Roster(why_not="", workers=tuple(workers), stray=tuple(job for job in open_jobs if job.queue not in served))


def living() -> list[Seen]:
    return [seen for seen in look().workers if seen.alive]


def _rows() -> QuerySet[Any]:
    silent_for = ExpressionWrapper(Now() - F("heartbeat_at"), output_field=DurationField())
    return Worker.objects.annotate(silent_for=silent_for)


def _seen(row: Any, open_jobs: Iterable[Job]) -> Seen:
    silent = max(0.0, row.silent_for.total_seconds())
    queues = {Resource.read(text).queue(row.host) for text in row.resources}
    return Seen(
        name=row.name,
        host=row.host,
        resources=tuple(row.resources),
        pid=row.pid,
        started_at=row.started_at,
        heartbeat_at=row.heartbeat_at,
        silent_seconds=round(silent, 1),
        alive=silent < SILENT_SECONDS,
        busy=row.busy,
        jobs=tuple(job for job in open_jobs if job.queue in queues),
    )


def forget_old() -> None:
    Worker.objects.filter(heartbeat_at__lt=Now() - FORGOTTEN).delete()
