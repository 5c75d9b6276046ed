"""Jobs of the vault as they wait: asked for, taken by whoever performs them, cancelled."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import F, Q
from django.utils import timezone

from realm import strict
from vault.assets.ids import is_asset_id
from vault.errors import NotFound, Refused
from vault.jobs import owners
from vault.models import Job

TRANSFERS = frozenset({Job.Kind.FETCH, Job.Kind.PUSH, Job.Kind.PULL})
OTHERS = frozenset(Job.Kind) - TRANSFERS
OPEN = (Job.State.WAITING, Job.State.RUNNING)
MOST_OPEN = 10_000
LONGEST_PAUSE = timedelta(seconds=20)
"""Before a job is tried again."""
_BY_TURN = F("retry_at").asc(nulls_first=True)
MOST_TRIES = 5
"""Of a job under which its process died each time."""


def add(
    *,
    kind: str,
    asset_id: str = "",
    source: str = "",
    destination: str = "",
    options: dict[str, Any] | None = None,
    by: str,
) -> Job:
    """The job that waits from now on; of two that ask for the same there is one. Raises Refused."""
    asked = {
        "kind": kind,
        "asset_id": asset_id,
        "source": source,
        "destination": destination,
        "options": options or {},
    }
    job = Job(**asked, by=by, created_at=timezone.now())
    _check(job)
    with transaction.atomic():
        standing = Job.objects.filter(state__in=OPEN)
        if same := standing.filter(**asked).first():
            return same
        if standing.count() >= MOST_OPEN:
            raise Refused(f"{MOST_OPEN} jobs wait already; let them end, or cancel some")
        job.save()
    return job


def get(job_id: int) -> Job:
    """Raises NotFound."""
    try:
        return Job.objects.get(pk=job_id)
    except (Job.DoesNotExist, OverflowError):
        raise NotFound(f"there is no job {job_id}") from None


def cancel(job_id: int, *, by: str) -> Job:
    """It is not begun, or ends soon and leaves nothing half. Raises NotFound, and Refused for one that has ended."""
    now = timezone.now()
    said = {"state": Job.State.CANCELLED, "ended_at": now, "message": f"cancelled by {by}"}
    done = Job.objects.filter(pk=job_id, state__in=OPEN).update(**said) if job_id < 2**63 else 0
    job = get(job_id)
    if not done:
        raise Refused(f"job {job_id} has ended already: {job.state}")
    return job


def take(job: Job, owner: str) -> bool:
    """Whether the job is this owner's now: it waited until this instant."""
    now = timezone.now()
    begun = {"state": Job.State.RUNNING, "owner": owner, "started_at": now, "beat_at": now, "retry_at": None}
    taken = Job.objects.filter(pk=job.pk, state=Job.State.WAITING).update(**begun, tries=F("tries") + 1)
    job.refresh_from_db()
    return bool(taken)


def next_of(kinds: Collection[str], now: datetime) -> Job | None:
    """Of those whose time has come one that was not tried yet, else the one that has waited longest for its next try.

    However many wait for a zone that is silent, what can be done is done first.
    """
    # A clock that was set back makes no pause longer than the longest.
    due = Q(retry_at__isnull=True) | Q(retry_at__lte=now) | Q(retry_at__gt=now + LONGEST_PAUSE)
    return Job.objects.filter(due, state=Job.State.WAITING, kind__in=kinds).order_by(_BY_TURN, "pk").first()


def free_those_of_the_dead(kinds: Collection[str], *, idle: str = "") -> int:
    """Let jobs wait again whose process has ended under them, or which `idle` performs no more; how many.

    One that ends each of its processes fails.
    """
    freed = 0
    for job in Job.objects.filter(state=Job.State.RUNNING, kind__in=kinds):
        if job.owner != idle and owners.is_alive(job.owner):
            continue
        mine = Job.objects.filter(pk=job.pk, state=Job.State.RUNNING, owner=job.owner)
        if job.tries >= MOST_TRIES:
            why = f"its process ended under it {job.tries} times"
            mine.update(state=Job.State.FAILED, message=why, ended_at=timezone.now())
        else:
            freed += mine.update(state=Job.State.WAITING, message="its process ended; it goes on where it was")
    return freed


def _check(job: Job) -> None:
    """Raises Refused."""
    if job.kind not in Job.Kind.values:
        raise Refused(f"kind: {strict.shown(job.kind)} is not allowed; allowed are {', '.join(Job.Kind.values)}")
    if job.asset_id and not is_asset_id(job.asset_id):
        raise Refused(f"{strict.shown(job.asset_id)} is no asset's id, such as checkpoint_175000")
    for name in ("source", "destination"):
        if not getattr(job, name).isprintable():
            raise Refused(f"{name}: {strict.shown(getattr(job, name))} holds what cannot be printed")
    try:
        job.clean_fields()
    except ValidationError as error:
        key, (sentence, *_) = next(iter(error.message_dict.items()))
        raise Refused(f"{key}: {sentence}") from error
