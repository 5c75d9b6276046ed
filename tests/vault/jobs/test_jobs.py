"""A job is done once, says how far it is, and outlives the process that performed it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psutil
import pytest
from django.utils import timezone

from realm.world import World
from vault.errors import NotFound, Refused, Unreachable
from vault.jobs import kinds, owners, performing, queue, status, waiting
from vault.jobs.performing import perform
from vault.jobs.worker import Worker
from vault.models import Asset, Job
from vault.strongholds.contract import Progress

pytestmark = pytest.mark.django_db

ID = "checkpoint_175000"
DEAD = f"{owners._host()}/1/0.00"
Act = Callable[[Job, Progress], Any]


@pytest.fixture
def acts(monkeypatch: pytest.MonkeyPatch) -> dict[str, Act]:
    """In place of what jobs do."""
    stand_ins: dict[str, Act] = dict.fromkeys(Job.Kind.values, lambda job, progress: {"done": job.asset_id})
    monkeypatch.setattr(kinds, "ACTS", stand_ins)
    return stand_ins


def add(kind: str = "fetch", **facts: Any) -> Job:
    return queue.add(kind=kind, asset_id=ID, by="page", **facts)


def fail(error: BaseException) -> Act:
    def act(job: Job, progress: Progress) -> None:
        raise error

    return act


def test_done_with_its_result(world: World, acts: dict[str, Act]) -> None:
    Asset.objects.create(asset_id=ID, kind="checkpoint", name="c", size_bytes=7, created_at=timezone.now())
    seen = []

    def act(job: Job, progress: Progress) -> dict[str, int]:
        progress(3, "copies")
        row = Job.objects.get()
        seen.append((row.state, row.bytes_done, row.bytes_total, row.message))
        progress(7, "copies")
        return {"bytes_transferred": 7}

    acts["fetch"] = act
    job = perform(add())
    assert seen == [("running", 3, 7, "copies")]
    assert (job.state, job.result, job.bytes_done) == ("done", {"bytes_transferred": 7}, 7)
    assert job.ended_at is not None


def test_it_tells_no_oftener_than_twice_a_second(world: World) -> None:
    job, now = add(), [0.0]
    queue.take(job, "me")
    telling = performing._Telling(job.pk, "me", threading.Event(), clock=lambda: now[0])
    written = []
    for bytes_done in range(10):
        telling(bytes_done, "")
        written.append(Job.objects.get().bytes_done)
        now[0] += 0.125
    assert written == [0, 0, 0, 0, 4, 4, 4, 4, 8, 8]


@pytest.mark.parametrize(
    ("error", "said"),
    [(Refused("No."), "No."), (OSError(28, "No space left", "/x"), "/x: No space left"), (KeyError("x"), "KeyError"),
     (Unreachable("3090 is silent."), "3090 is silent.")],
)  # fmt: skip
def test_what_goes_wrong_stands_in_it(world: World, acts: dict[str, Act], error: Exception, said: str) -> None:
    acts["fetch"] = fail(error)
    job = perform(add())
    assert (job.state, job.message[: len(said)]) == ("failed", said)


def test_a_silent_zone_is_asked_again_and_again_within_half_a_minute(world: World, acts: dict[str, Act]) -> None:
    acts["push"] = fail(Unreachable("3090 is silent."))
    job = add("push", destination="3090")
    pauses = []
    for silent in (0, 60, 3600, 86_000):
        Job.objects.update(silent_seconds=silent, retry_at=None)
        job.refresh_from_db()
        job = perform(job, patient=True)
        assert (job.state, job.message) == ("waiting", "3090 is silent.")
        assert job.retry_at is not None
        assert queue.next_of(queue.TRANSFERS, timezone.now()) is None
        assert queue.next_of(queue.TRANSFERS, job.retry_at) == job
        pauses.append(round((job.retry_at - timezone.now()).total_seconds()))
    assert pauses == [2, 15, 20, 20]
    Job.objects.update(silent_seconds=86_401)
    job.refresh_from_db()
    assert perform(job, patient=True).state == "failed"


def _tries_under_a_set_clock(acts: dict[str, Act], monkeypatch: pytest.MonkeyPatch, *days: int) -> list[str]:
    """States of a job whose zone is silent, with the seconds that it has waited, after each setting of the clock."""
    acts["push"] = fail(Unreachable("3090 is silent."))
    job, found = add("push", destination="3090"), []
    for day in days:
        now = timezone.now() + timedelta(days=day)
        with monkeypatch.context() as patched:
            patched.setattr(timezone, "now", lambda now=now: now)
            due = queue.next_of(queue.TRANSFERS, now)
            job = perform(due, patient=True) if due else job
        found.append(f"{job.state} {job.silent_seconds:g}" if due else "not due")
    return found


def test_a_clock_that_is_set_neither_ends_nor_delays_what_waits(
    world: World, acts: dict[str, Act], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ["waiting 2", "waiting 4", "waiting 6", "waiting 8", "waiting 10"]
    assert _tries_under_a_set_clock(acts, monkeypatch, 0, 2, 0, -2, 400) == told


def test_twin_age_by_the_clock_fails_what_waits(
    world: World, acts: dict[str, Act], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(performing, "_silence_of", lambda job: timezone.now() - job.created_at)
    assert _tries_under_a_set_clock(acts, monkeypatch, 0, 2)[1].startswith("failed")


def test_cancelled_while_it_runs(world: World, acts: dict[str, Act]) -> None:
    reached = []

    def act(job: Job, progress: Progress) -> None:
        queue.cancel(job.pk, by="admin")
        progress(1, "")
        reached.append("the rest")

    acts["fetch"] = act
    job = perform(add())
    assert (job.state, job.message, reached) == ("cancelled", "cancelled by admin", [])
    with pytest.raises(Refused, match="has ended already: cancelled"):
        queue.cancel(job.pk, by="page")
    with pytest.raises(NotFound, match="no job 99"):
        queue.cancel(99, by="page")


def test_it_is_performed_once(world: World, acts: dict[str, Act]) -> None:
    job = add()
    other = Job.objects.get()
    assert perform(other).state == "done"
    acts["fetch"] = fail(AssertionError("twice"))
    assert perform(job).state == "done"


def test_twin_without_the_condition_it_is_performed_twice(
    world: World, acts: dict[str, Act], monkeypatch: pytest.MonkeyPatch
) -> None:
    def take(job: Job, owner: str) -> bool:
        return bool(Job.objects.filter(pk=job.pk).update(state="running", owner=owner))

    monkeypatch.setattr(queue, "take", take)
    job = add()
    perform(Job.objects.get())
    acts["fetch"] = fail(AssertionError("twice"))
    assert perform(job).message == "AssertionError: twice"


def died_under_it(acts: dict[str, Act]) -> str:
    job = add()
    queue.take(job, DEAD)
    Worker(queue.TRANSFERS, threading.Event()).work_once()
    return Job.objects.get().state


def test_a_job_of_a_dead_process_is_taken_again(world: World, acts: dict[str, Act]) -> None:
    assert died_under_it(acts) == "done"


def test_twin_whose_owner_is_never_looked_at_waits_for_ever(
    world: World, acts: dict[str, Act], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(owners, "is_alive", lambda owner: True)
    assert died_under_it(acts) == "running"


def test_a_job_that_ends_each_process_fails(world: World) -> None:
    job = add()
    for _ in range(queue.MOST_TRIES):
        assert queue.take(job, DEAD)
        queue.free_those_of_the_dead(queue.TRANSFERS)
    job.refresh_from_db()
    assert (job.state, job.message) == ("failed", "its process ended under it 5 times")


def test_a_process_that_lives_keeps_its_job(world: World) -> None:
    job = add()
    queue.take(job, owners.this_process())
    assert queue.free_those_of_the_dead(queue.TRANSFERS) == 0
    assert queue.free_those_of_the_dead(queue.TRANSFERS, idle=owners.this_process()) == 1


def test_an_ending_process_lets_it_wait_for_the_next(world: World, acts: dict[str, Act]) -> None:
    stopping = threading.Event()
    stopping.set()
    acts["fetch"] = lambda job, progress: progress(1, "")
    job = perform(add(), stopping=stopping)
    assert (job.state, job.ended_at) == ("waiting", None)


def test_two_that_ask_for_the_same_get_one(world: World) -> None:
    assert add(destination="a").pk == add(destination="a").pk
    assert add(destination="b").pk != add(destination="a").pk


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [({"kind": "dance"}, "kind: 'dance'"), ({"kind": "push", "destination": "a\0b"}, "destination"),
     ({"kind": "push", "destination": "x" * 2000}, "destination"),
     ({"kind": "push", "asset_id": "../x"}, "no asset's id")],
)  # fmt: skip
def test_what_cannot_be_is_refused(world: World, asked: dict[str, str], sentence: str) -> None:
    with pytest.raises(Refused, match=sentence):
        queue.add(by="page", **asked)


def test_transfers_wait_for_no_other_job(world: World) -> None:
    add("verify")
    transfer = add("push", destination="3090")
    assert queue.next_of(queue.TRANSFERS, timezone.now()) == transfer
    assert set(Job.Kind.values) == queue.TRANSFERS | queue.OTHERS
    assert not queue.TRANSFERS & queue.OTHERS


def test_who_waits_does_it_himself_where_no_vault_runs(world: World, acts: dict[str, Act]) -> None:
    assert waiting.finish(world, add(), seconds=0).state == "done"
    with status.only_vault(world):
        acts["fetch"] = fail(AssertionError("not here"))
        assert waiting.finish(world, add(), seconds=0).state == "waiting"
        with pytest.raises(Refused, match="is served by process"), status.only_vault(world):
            pass


def test_the_vault_that_spoke_lately_is_known(world: World) -> None:
    assert not status.read(world).alive
    status.write(world, address="127.0.0.1:8767")
    assert not status.read(world).fresh
    with status.only_vault(world):
        told = status.read(world)
    assert (told.alive, told.fresh, told.address) == (True, True, "127.0.0.1:8767")


def test_however_many_wait_for_a_silent_zone_what_can_be_done_comes_first(world: World) -> None:
    now = timezone.now()
    for seconds in (3, 9, 6):
        silent = add(source=f"silent-{seconds}")
        Job.objects.filter(pk=silent.pk).update(retry_at=now - timedelta(seconds=seconds))
    late = add(source="answers")
    assert queue.next_of(["fetch"], now) == late
    assert queue.take(late, "me")
    following = queue.next_of(["fetch"], now)
    assert following is not None
    assert following.source == "silent-9"


def test_what_goes_over_the_wire_is_never_more_than_all(world: World, acts: dict[str, Act]) -> None:
    Asset.objects.create(asset_id=ID, kind="checkpoint", name="c", size_bytes=7, created_at=timezone.now())
    acts["fetch"] = lambda job, progress: progress(9, "its record too")
    job = perform(add())
    assert (job.bytes_done, job.bytes_total) == (9, 9)


def test_after_a_clock_was_set_back_a_job_waits_no_longer_than_the_longest_pause() -> None:
    job = add()
    now = timezone.now()
    for pause, due in ((queue.LONGEST_PAUSE, False), (timedelta(hours=1), True), (-queue.LONGEST_PAUSE, True)):
        Job.objects.update(retry_at=now + pause)
        assert (queue.next_of(queue.TRANSFERS, now) == job) is due


def test_who_performs_a_job_is_known_again_after_the_clock_was_set(monkeypatch: pytest.MonkeyPatch) -> None:
    own, born = owners.this_process(), psutil.Process().create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda process: born + 86_400)
    assert owners.is_alive(own)
    # Sabotage: told by its time of creation it is another one now.
    monkeypatch.setattr(owners, "identity", lambda pid: f"{psutil.Process(pid).create_time():.2f}")
    assert not owners.is_alive(own)
