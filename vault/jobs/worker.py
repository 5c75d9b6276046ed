"""A thread of the vault's own process that performs what waits, one job after another."""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection

from django.db import DatabaseError, connection
from django.utils import timezone

from realm.databases.changes import Nothing
from realm.databases.database import close_if_broken
from vault.jobs import owners, queue
from vault.jobs.performing import perform
from vault.models import Job

log = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
"""Shorter than a request waits for its job's end."""
_AFTER_ERROR_SECONDS = 5.0


class Worker(threading.Thread):
    """Of some kinds of jobs; two workers share none. A daemon thread: a job that hears nothing waits for the next."""

    def __init__(self, kinds: Collection[str], stopping: threading.Event) -> None:
        super().__init__(name=f"jobs {'/'.join(sorted(kinds))}", daemon=True)
        self._kinds, self._stopping = kinds, stopping
        self._nothing = Nothing()

    def run(self) -> None:
        pause = 0.0
        while not self._stopping.wait(pause):
            try:
                pause = 0.0 if self.work_once() else LOOK_SECONDS
            except DatabaseError:
                log.exception("the jobs' rows")
                pause = _AFTER_ERROR_SECONDS
            finally:
                close_if_broken()
        connection.close()

    def work_once(self) -> bool:
        """Whether there was something to do."""
        if not self._nothing.unless_changed("standing", self._are_there_any):
            return False
        queue.free_those_of_the_dead(self._kinds, idle=owners.this_process())
        job = queue.next_of(self._kinds, timezone.now())
        if job is not None:
            perform(job, patient=True, stopping=self._stopping)
        return job is not None

    def _are_there_any(self) -> bool:
        return Job.objects.filter(state__in=queue.OPEN, kind__in=self._kinds).exists()
