"""What a worker does with a job: a command of `manage.py` in a process of its own, which ends with it.

Imported where the library is, by its own app alone.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from procrastinate import JobContext
from procrastinate.contrib.django import app
from procrastinate.exceptions import ConnectorException, JobAborted
from procrastinate.jobs import Job
from procrastinate.retry import BaseRetryStrategy, RetryDecision

from guild.tasks import children
from guild.tasks.registry import MANAGE
from guild.workers import jobs
from guild.workers.claims import Claim
from guild.workers.resources import Resource
from realm.processes.child import ChildProcess
from realm.processes.log import ChildLog
from realm.world import World

LOOK_SECONDS = 0.2
OWN_SECONDS = 1.0
GRACE_SECONDS = 5.0
"""Between the request to end and the kill, less than a service manager grants the worker."""


class JobFailed(Exception):
    """Its command's last words."""


@dataclass(frozen=True)
class Station:
    """What a worker's jobs need to know of it; in the context of each."""

    world: World
    name: str
    resources: dict[str, Resource]
    """By queue."""


class WhenWorkerStops(BaseRetryStrategy):
    """Only a job that the worker's own end cut off, or a server that went away, waits again; what failed is the Task
    Master's to judge."""

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        cut_off = isinstance(exception, asyncio.CancelledError | JobAborted | ConnectorException)
        return RetryDecision() if cut_off else None


@app.task(name=jobs.TASK, pass_context=True, retry=WhenWorkerStops())
async def perform(context: JobContext, /, **asked: Any) -> None:
    """Raises JobFailed."""
    station: Station = context.additional_context["station"]
    claim = Claim(context.job.id or 0, context.job.attempts)
    log = ChildLog(children.log_path(station.world, "worker"))
    child = ChildProcess.logged(
        [*MANAGE, "perform_job", str(claim), json.dumps(asked), "--worker", station.name],
        log,
        env=children.environment(station.world) | _environment(station.resources[context.job.queue]),
        is_held=True,
    )
    os.setpriority(os.PRIO_PROCESS, child.pid, children.NICE)
    try:
        await _until_ended(context, claim, child)
    finally:
        if child.alive:
            child.terminate()
            await asyncio.to_thread(child.wait_or_kill, GRACE_SECONDS)
        code = child.reap()
    if code:
        raise JobFailed(children.last_words(log))


async def _until_ended(context: JobContext, claim: Claim, child: ChildProcess) -> None:
    looked = 0.0
    loop = asyncio.get_running_loop()
    while child.alive:
        await asyncio.sleep(LOOK_SECONDS)
        if loop.time() - looked >= OWN_SECONDS:
            looked = loop.time()
            with suppress(ConnectorException):  # nobody can tell now, and the job goes on
                await _leave_if_taken_for_dead(context, claim, child)
    await _leave_if_taken_for_dead(context, claim, child)


async def _leave_if_taken_for_dead(context: JobContext, claim: Claim, child: ChildProcess) -> None:
    """To end the job is to end it for whoever has it now: a worker that was silent for too long says no more."""
    found = list(await context.app.job_manager.list_jobs_async(id=claim.job, status=jobs.DOING))
    if not found or found[0].attempts != claim.attempt:
        child.kill()
        os._exit(os.EX_TEMPFAIL)


def _environment(resource: Resource) -> dict[str, str]:
    """A GPU's job sees that GPU alone, and its oracle is not the one that others of the machine ask."""
    if resource.kind == "cpu":
        return {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    return {"CUDA_VISIBLE_DEVICES": str(resource.number), "REALM_ORACLE_PORT": str(port)}


@app.periodic(cron="* * * * *")
@app.task(name="guild.begin_stalled_anew", queue="upkeep", lock="upkeep", queueing_lock="upkeep", pass_context=True)
async def begin_stalled_anew(context: JobContext, timestamp: int) -> None:
    """The Task Master does so, too, and sooner; where it is down for a while, workers see to each other."""
    await jobs.begin_stalled_anew_async(context.app.job_manager)
