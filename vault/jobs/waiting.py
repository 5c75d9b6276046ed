"""Who asks for a job and waits for its end: the vault's own process does it where it lives, else it is done here."""

from __future__ import annotations

import time
from threading import Event

from realm.world import World
from vault.jobs import queue
from vault.jobs.performing import perform
from vault.jobs.status import is_served
from vault.models import Job

ENDING = Event()
"""Set when this process is told to end: nobody in it waits any longer."""
_LOOK_SECONDS = 0.1


def finish(world: World, job: Job, *, seconds: float) -> Job:
    """The job at its end, or as it is after `seconds` where the vault's process performs it."""
    if not is_served(world):
        return perform(job)
    end = time.monotonic() + seconds
    while job.state in queue.OPEN and time.monotonic() < end:
        if ENDING.wait(_LOOK_SECONDS):
            break
        job.refresh_from_db()
    return job
