"""Runs: work of the guild that takes a while and is watched. The rows of `Run`, and every change of them.

A run is claimed by one process, which tells its progress here and looks here whether it is to stop. Whoever reads the
list first settles what became of runs whose process died.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
from django.db import OperationalError
from django.db.models import Q, QuerySet
from django.utils import timezone

from guild.errors import GuildError
from guild.models import Run
from guild.workers.claims import Claim
from realm.processes.identity import identity

log = logging.getLogger(__name__)

TELL_SECONDS = 0.5
"""Progress is written no more often than this."""
REST = 20
"""Nor before this many times as long has passed as the last writing took."""
MOST_EVENTS = 200
"""Of a run's messages so many are kept, the newest."""
DIED = "its process died"
_CLOCK_SLACK = timedelta(seconds=2)
_TITLE_CHARACTERS = 160

Kind, State = Run.Kind, Run.State


class StopAsked(Exception):
    """The run is to end now; what it has so far is kept."""


class Watch:
    """What a run's own process holds: it tells progress and hears of a stop."""

    def __init__(
        self,
        run: Run,
        *,
        stop: threading.Event | None = None,
        on_progress: Callable[[Run], None] = lambda run: None,
        clock: Callable[[], float] = time.monotonic,
        inbox: Path | None = None,
    ) -> None:
        """`stop` is set by a signal handler; a stop that the player asks for elsewhere comes from the row. `inbox` is
        where quests are put; None: the world's."""
        self.run, self.inbox = run, inbox
        self._stop = stop or threading.Event()
        self._on_progress, self._clock = on_progress, clock
        self._told_at: float | None = None
        self._took = 0.0

    def tell(
        self,
        done: int | None = None,
        *,
        total: int | None = None,
        message: str | None = None,
        results: Callable[[], Mapping[str, Any]] | None = None,
    ) -> None:
        """Note how far it is. A message is written at once, counts and results now and then.

        `results` is asked when they are written, and before a stop: making and storing all of a long run's results at
        each word would take longer the longer it runs. Raises StopAsked; what was told is kept by `stopped`.
        """
        run = self.run
        run.progress_done = run.progress_done if done is None else done
        run.progress_total = run.progress_total if total is None else total
        if message is not None and message != run.message:
            run.message = message
            _add_event(run)
        is_time = message is not None or self._is_time()
        if is_time:
            self._keep(results)
            self._write()
        self._on_progress(run)
        if self._stop.is_set():
            self._keep(results)
            raise StopAsked

    def _keep(self, results: Callable[[], Mapping[str, Any]] | None) -> None:
        if results is not None:
            self.run.results = {**results(), "events": self.run.results.get("events", [])}

    def _is_time(self) -> bool:
        return self._told_at is None or self._clock() - self._told_at >= max(TELL_SECONDS, REST * self._took)

    def _write(self) -> None:
        begun = self._clock()
        try:
            if not _save(self.run, heartbeat_at=timezone.now()) or _asked_to_stop(self.run):
                self._stop.set()
        except OperationalError as error:  # a busy database costs a line of progress, not the work
            log.warning("progress of run %s is not written: %s", self.run.pk, error)
        self._told_at = self._clock()
        self._took = self._told_at - begun


def _save(run: Run, **changes: Any) -> bool:
    """Whether the run is still this process's own; one that was deleted or taken for dead is not."""
    mine = Run.objects.filter(pk=run.pk, state=State.RUNNING, pid=os.getpid(), claim=run.claim)
    return bool(
        mine.update(
            progress_done=run.progress_done,
            progress_total=run.progress_total,
            message=run.message,
            results=run.results,
            **changes,
        )
    )


def _asked_to_stop(run: Run) -> bool:
    return Run.objects.filter(pk=run.pk, stop_asked=True).exists()


def _add_event(run: Run) -> None:
    events = run.results.get("events", [])
    number = events[-1]["seq"] + 1 if events else 1
    event = {
        "seq": number,
        "time": timezone.now().isoformat(timespec="seconds"),
        "done": run.progress_done,
        "total": run.progress_total,
        "message": run.message,
    }
    run.results = run.results | {"events": [*events, event][-MOST_EVENTS:]}


def create(*, kind: Run.Kind, title: str, parameters: Mapping[str, Any], by: str) -> Run:
    return Run.objects.create(
        kind=kind, title=title[:_TITLE_CHARACTERS], parameters=dict(parameters), created_by=by[:80], message="it waits"
    )


def get(run_id: int) -> Run:
    """Raises GuildError."""
    settle_dead()
    run = Run.objects.filter(pk=run_id).first()
    if run is None:
        raise GuildError(f"There is no run {run_id}; `manage.py runs list` shows them")
    return run


def claim(run_id: int, of: Claim | None = None) -> Run:
    """Take a waiting run for this process, or, `of` a worker's job, what an earlier attempt of it left.

    Raises GuildError if it is not to be had.
    """
    now = timezone.now()
    to_be_had = Q(state=State.WAITING) | of.mine_by_now(working=State.RUNNING) if of else Q(state=State.WAITING)
    changed = Run.objects.filter(to_be_had, pk=run_id, stop_asked=False).update(
        state=State.RUNNING,
        pid=os.getpid(),
        process=identity(os.getpid()),
        claim=str(of or ""),
        started_at=now,
        heartbeat_at=now,
        message="it begins",
    )
    run = get(run_id)
    if not changed:
        raise GuildError(f"Run {run_id} is {run.state}; only one that waits can be begun")
    return run


def finish(run: Run, results: Mapping[str, Any], *, message: str) -> bool:
    """Whether the run was this process's own still."""
    run.results = {**results, "events": run.results.get("events", [])}
    return _end(run, State.COMPLETED, message)


def fail(run: Run, reason: str) -> None:
    _end(run, State.FAILED, reason)


def stopped(run: Run) -> None:
    _end(run, State.STOPPED, f"stopped at {run.progress_done} of {run.progress_total}")


def _end(run: Run, state: Run.State, message: str) -> bool:
    run.message = message
    _add_event(run)
    was_own = _save(run, state=state, pid=None, ended_at=timezone.now())
    run.state, run.pid = state, None
    return was_own


def stop(run_id: int) -> Run:
    """Ask a run to stop; one that nobody has begun is stopped at once. Raises GuildError if it is over."""
    run = get(run_id)
    if run.is_over:
        raise GuildError(f"Run {run_id} is {run.state} already")
    waiting = Run.objects.filter(pk=run_id, state=State.WAITING)
    if not waiting.update(state=State.STOPPED, message="stopped before it began", ended_at=timezone.now()):
        Run.objects.filter(pk=run_id, state=State.RUNNING).update(stop_asked=True)
    return get(run_id)


def again(run_id: int) -> Run:
    """Let a run that was stopped or failed wait for its start once more, from its beginning. Raises GuildError."""
    run = get(run_id)
    changed = Run.objects.filter(pk=run_id, state__in=(State.STOPPED, State.FAILED)).update(
        state=State.WAITING, stop_asked=False, pid=None, claim="", results={}, progress_done=0, message="it waits",
        started_at=None, heartbeat_at=None, ended_at=None,
    )  # fmt: skip
    if not changed:
        raise GuildError(f"Run {run_id} is {run.state}; only one that was stopped or failed can be begun again")
    return get(run_id)


def delete(run_id: int) -> Run:
    """Forget a run that is over; what it made stays. Raises GuildError."""
    run = get(run_id)
    if not run.is_over:
        raise GuildError(f"Run {run_id} is {run.state}; stop it before it is deleted")
    Run.objects.filter(pk=run_id).delete()
    return run


def check_comparable(one: Run, other: Run) -> None:
    """Raises GuildError for two runs of different kinds."""
    if one.kind != other.kind:
        raise GuildError(f"Run {one.pk} is a {one.kind} and run {other.pk} a {other.kind}; compare two of a kind")


def history(kind: Run.Kind | None = None) -> QuerySet[Run]:
    """The newest first."""
    settle_dead()
    return Run.objects.filter(kind=kind) if kind else Run.objects.all()


def waiting() -> QuerySet[Run]:
    """What nobody has begun, the oldest first."""
    return Run.objects.filter(state=State.WAITING, stop_asked=False).order_by("id")


def events(run: Run, *, after: int = 0) -> list[dict[str, Any]]:
    """What the run told after the message of that number, the oldest first; of a long one only the end is kept."""
    return [event for event in run.results.get("events", []) if event["seq"] > after]


def results(run: Run) -> dict[str, Any]:
    """What came of it, as its kind wrote it."""
    return {key: value for key, value in run.results.items() if key != "events"}


def settle_dead() -> int:
    """Tell as failed what its process cannot tell any more; it may be begun again. Returns how many there were.

    What a worker performs is left to the Task Master, which knows of its job: the worker may be on another machine.
    """
    dead = [run for run in Run.objects.filter(state=State.RUNNING, claim="") if not is_alive(run)]
    return sum(
        Run.objects.filter(pk=run.pk, state=State.RUNNING, pid=run.pid).update(
            state=State.FAILED, message=DIED, pid=None, ended_at=run.heartbeat_at or timezone.now()
        )
        for run in dead
    )


def is_alive(run: Run) -> bool:
    """Whether the process that claimed the run lives: the number alone may be another process's by now."""
    if run.pid is None or run.started_at is None:
        return False
    try:
        process = psutil.Process(run.pid)
        if run.process:
            return process.status() != psutil.STATUS_ZOMBIE and identity(run.pid) == run.process
        born = datetime.fromtimestamp(process.create_time(), run.started_at.tzinfo)
        return process.status() != psutil.STATUS_ZOMBIE and born <= run.started_at + _CLOCK_SLACK
    except psutil.NoSuchProcess:
        return False
    except psutil.Error:  # somebody else's process; it lives
        return True


def pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a run was asked, or what came of it, as names and texts; what is None was not given and is left out."""
    return [(key.replace("_", " "), in_words(value)) for key, value in values.items() if value is not None]


def in_words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {in_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return str(value)
