"""Jobs of the workers, in the tables of procrastinate: given, taken back, begun anew after their worker died.

The library knows which jobs have stalled, and leaves them so: a job whose worker is silent, or whose row in its table
is gone already, is begun anew here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from asgiref.sync import async_to_sync
from django.db import OperationalError, transaction
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.db.models.functions import Now

from guild.workers.claims import Claim

log = logging.getLogger(__name__)

TASK = "guild.perform"
HEARTBEAT_SECONDS = 3.0
SILENT_SECONDS = 10.0
"""A worker that was silent for longer counts as dead: its job is another's."""
MOST_ATTEMPTS = 20
"""A job whose worker died so often is not begun again."""
KEPT_HOURS = 7 * 24
"""Jobs that failed are listed for so long."""
PAUSE = timedelta(minutes=1)
TODO, DOING = "todo", "doing"


@dataclass(frozen=True, kw_only=True)
class Job:
    id: int
    act: str
    """What it does, such as `evaluate DIO/checkpoint-100-20261121-1200` or `run 17`."""
    queue: str
    priority: int
    attempts: int
    """How often it was begun before."""
    state: str
    """`todo` or `doing`."""
    stalled: bool = False
    """Its worker is silent or gone."""
    args: dict[str, Any] = field(default_factory=dict)

    @property
    def claim(self) -> Claim:
        return Claim(self.id, self.attempts)


def open_jobs() -> list[Job]:
    """Those that wait or are worked on, in the order of their numbers."""
    from procrastinate.contrib.django.models import ProcrastinateJob

    rows = ProcrastinateJob.objects.filter(task_name=TASK, status__in=(TODO, DOING))
    heard = Q(worker__last_heartbeat__gte=Now() - timedelta(seconds=SILENT_SECONDS))
    rows = rows.annotate(heard=ExpressionWrapper(heard, output_field=BooleanField()))
    return [
        Job(
            id=row.id,
            act=row.queueing_lock or "",
            queue=row.queue_name,
            priority=row.priority,
            attempts=row.attempts,
            state=row.status,
            stalled=row.status == DOING and not row.heard,
            args=row.args,
        )
        for row in rows.order_by("id")
    ]


def failed_lately() -> set[str]:
    """Acts that came to nothing within the last minute: they are not given again at once."""
    from procrastinate.contrib.django.models import ProcrastinateEvent

    failed = ProcrastinateEvent.objects.filter(type="failed", at__gt=Now() - PAUSE, job__task_name=TASK)
    return set(failed.values_list("job__queueing_lock", flat=True))


@contextmanager
def as_database_error() -> Iterator[None]:
    """What the library says of a server that is away, as Django says it: who asks waits, and asks again."""
    from procrastinate.exceptions import ConnectorException

    try:
        yield
    except ConnectorException as error:
        raise OperationalError(f"{error} ({error.__cause__ or 'no reason'})") from error


@as_database_error()
def give(act: str, *, queue: str, priority: int, args: Mapping[str, Any]) -> bool:
    """Whether the job is in the queue now; it is not where the same act waits there already."""
    from procrastinate.contrib.django import app
    from procrastinate.exceptions import AlreadyEnqueued

    deferrer = app.configure_task(TASK, queue=queue, lock=queue, queueing_lock=act, priority=priority)
    try:
        with transaction.atomic():
            deferrer.defer(**args)
    except AlreadyEnqueued:
        return False
    return True


@as_database_error()
def take_back(job: Job) -> bool:
    """Whether nobody had begun it, and nobody will."""
    from procrastinate.contrib.django import app

    return app.job_manager.cancel_job_by_id(job.id, delete_job=True)


@as_database_error()
def begin_stalled_anew() -> int:
    """How many jobs there were whose worker has been silent for too long, or is not even listed any more."""
    from procrastinate.contrib.django import app

    return async_to_sync(begin_stalled_anew_async)(app.job_manager)


async def begin_stalled_anew_async(manager: Any) -> int:
    stalled = await manager.get_stalled_jobs(task_name=TASK, seconds_since_heartbeat=SILENT_SECONDS)
    return await _begin_anew(manager, stalled)


async def begin_left_anew(manager: Any, queues: Collection[str]) -> int:
    """Jobs that are worked on in these queues: for a worker that has just come to serve them, alone on its machine."""
    left = [
        job
        for queue in queues
        for job in await manager.list_jobs_async(queue=queue, task=TASK, status=DOING)
    ]  # fmt: skip
    return await _begin_anew(manager, left)


async def _begin_anew(manager: Any, stalled: Collection[Any]) -> int:
    from procrastinate.exceptions import ConnectorException
    from procrastinate.jobs import Status

    for job in stalled:
        try:
            if job.attempts + 1 >= MOST_ATTEMPTS:
                log.error("%s: its worker died %d times; it is given up", job.queueing_lock, job.attempts + 1)
                await manager.finish_job(job=job, status=Status.FAILED, delete_job=False)
            else:
                log.warning("%s: its worker is gone; it is begun anew", job.queueing_lock)
                await manager.retry_job(job=job)
        except ConnectorException as error:  # somebody else was faster
            log.info("%s: %s", job.queueing_lock, error)
    return len(stalled)


@as_database_error()
def forget_old() -> None:
    from procrastinate.contrib.django import app

    every: Callable[..., Any] = app.job_manager.delete_old_jobs
    async_to_sync(every)(KEPT_HOURS, include_failed=True, include_cancelled=True, include_aborted=True)
