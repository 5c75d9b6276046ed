"""A job from its taking to its end: in the vault's own process, or at once by who asked."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from threading import Event
from typing import Any

from django.db.models import Case, F, PositiveBigIntegerField, Value, When
from django.utils import timezone

from realm.checkpoints.sidecar import DamagedCheckpoint
from vault.errors import Unreachable, VaultError
from vault.jobs import kinds, owners, queue
from vault.models import Job
from vault.strongholds.contract import Cancelled

log = logging.getLogger(__name__)

TELL_SECONDS = 0.5
SOONEST_RETRY_SECONDS = 2.0
"""Between two tries while a zone does not answer: what waits goes on within 30 s of its return."""
PATIENCE = timedelta(days=1)
"""Of waiting between tries, whatever the clock says; after that a job whose zone never answered fails."""
_LONGEST_MESSAGE = 500


class Stopping(Cancelled):
    """The process ends; the job waits for the next one."""


def perform(job: Job, *, patient: bool = False, stopping: Event | None = None) -> Job:
    """Do it in this thread, unless somebody else does or it has ended; the job as it is then.

    What goes wrong stands in it, in words. `patient`: where a zone does not answer it waits for another try.
    `stopping` lets it go back to waiting.
    """
    owner = owners.this_process()
    if not queue.take(job, owner):
        return job
    if (total := kinds.total_bytes(job)) is not None:
        Job.objects.filter(pk=job.pk).update(bytes_total=total)
    telling = _Telling(job.pk, owner, stopping or Event())
    try:
        result = kinds.act(job, telling)
    except Stopping:
        _end(job, owner, Job.State.WAITING, "the vault's process ended; it goes on where it was")
    except Cancelled:
        pass  # the row says so, or another process has it
    except Unreachable as error:
        _retry_or_fail(job, owner, str(error), patient=patient)
    except (VaultError, DamagedCheckpoint) as error:
        _end(job, owner, Job.State.FAILED, str(error))
    except OSError as error:
        _end(job, owner, Job.State.FAILED, f"{error.filename or job}: {error.strerror or error}")
    except Exception as error:
        log.exception("job %s", job.pk)
        _end(job, owner, Job.State.FAILED, f"{type(error).__name__}: {error}")
    except BaseException:  # Ctrl+C of who asked
        _end(job, owner, Job.State.CANCELLED, "its process was ended")
        raise
    else:
        _end(job, owner, Job.State.DONE, "", result=result, **_bytes(telling.bytes_done))
    job.refresh_from_db()
    return job


def _retry_or_fail(job: Job, owner: str, why: str, *, patient: bool) -> None:
    silent = _silence_of(job)
    if not patient or silent > PATIENCE:
        _end(job, owner, Job.State.FAILED, why)
        return
    pause = min(max(silent / 4, timedelta(seconds=SOONEST_RETRY_SECONDS)), queue.LONGEST_PAUSE)
    silent_seconds = (silent + pause).total_seconds()
    _end(job, owner, Job.State.WAITING, why, retry_at=timezone.now() + pause, silent_seconds=silent_seconds)


def _silence_of(job: Job) -> timedelta:
    """What it was told to wait between its tries: its age by the clock would jump with a clock that is set."""
    return timedelta(seconds=job.silent_seconds)


def _end(job: Job, owner: str, state: str, message: str, **facts: Any) -> None:
    """Unless it was cancelled meanwhile."""
    now = timezone.now()
    facts |= {"state": state, "message": message[:_LONGEST_MESSAGE], "beat_at": now}
    facts |= {"tries": 0} if state == Job.State.WAITING else {"ended_at": now}
    Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, owner=owner).update(**facts)


def _bytes(done: int) -> dict[str, Any]:
    """What is told of an asset's size leaves out its record, which goes with it."""
    total = Case(
        When(bytes_total__lt=done, then=Value(done)), default=F("bytes_total"), output_field=PositiveBigIntegerField()
    )
    return {"bytes_done": done, "bytes_total": total}


class _Telling:
    """The Progress of a job: writes into its row, and ends what was cancelled there."""

    def __init__(
        self, job_id: int, owner: str, stopping: Event, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._mine = Job.objects.filter(pk=job_id, state=Job.State.RUNNING, owner=owner)
        self._stopping, self._clock = stopping, clock
        self._next = 0.0
        self.bytes_done = 0

    def __call__(self, bytes_done: int, doing: str) -> None:
        """Raises Stopping, Cancelled."""
        self.bytes_done = bytes_done
        if self._stopping.is_set():
            raise Stopping
        if self._clock() < self._next:
            return
        self._next = self._clock() + TELL_SECONDS
        told = _bytes(bytes_done) | {"message": doing[:_LONGEST_MESSAGE], "beat_at": timezone.now()}
        if not self._mine.update(**told):
            raise Cancelled
