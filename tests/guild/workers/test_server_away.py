"""A server that is away is told as Django tells it, so that the Task Master waits for it."""

from __future__ import annotations

import asyncio
import os
import signal

import pytest
from django.conf import settings
from django.db import DatabaseError

from guild.workers import jobs
from guild.workers.resources import Resource
from realm.world import World


def test_what_the_library_says_of_it_is_an_error_of_the_database() -> None:
    exceptions = pytest.importorskip("procrastinate.exceptions")
    assert not issubclass(exceptions.ConnectorException, DatabaseError)  # the twin: by itself it is none

    @jobs.as_database_error()
    def asks() -> None:
        raise exceptions.ConnectorException("gone")

    with pytest.raises(DatabaseError, match="gone"):
        asks()


def test_each_call_that_the_task_master_makes_says_it_so() -> None:
    for call in (jobs.give, jobs.take_back, jobs.begin_stalled_anew, jobs.forget_old):
        assert hasattr(call, "__wrapped__"), call.__name__


def ends_after(monkeypatch: pytest.MonkeyPatch, *errors: BaseException) -> list[str]:
    """What becomes of a worker whose work ends with these, one after the other, and then as it was asked to."""
    serving = pytest.importorskip("guild.workers.serving")
    left, seen = list(errors), list[str]()

    async def work(*_: object) -> None:
        seen.append("works")
        if left:
            raise left.pop(0)

    monkeypatch.setattr(serving, "_serve", work)
    monkeypatch.setattr(serving, "AGAIN_SECONDS", 0.0)
    serving.serve(settings.WORLD, settings.REALM, host="anvil", resources=[Resource.read("cpu")])
    return seen


@pytest.mark.django_db
def test_a_worker_outlives_the_server(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    exceptions = pytest.importorskip("procrastinate.exceptions")
    gone = exceptions.ConnectorException("gone")
    assert ends_after(monkeypatch, gone, DatabaseError("gone"), gone) == ["works"] * 4


@pytest.mark.django_db
def test_what_else_goes_wrong_ends_it(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RuntimeError):
        ends_after(monkeypatch, RuntimeError("a fault of ours"))


def test_a_job_that_lost_the_server_waits_again_and_one_that_failed_does_not() -> None:
    exceptions = pytest.importorskip("procrastinate.exceptions")
    acts = pytest.importorskip("guild.workers.acts")
    decide = acts.WhenWorkerStops().get_retry_decision
    assert decide(exception=exceptions.ConnectorException("gone"), job=None) is not None
    assert decide(exception=acts.JobFailed("no such skill"), job=None) is None


def asked_by(number: int | None) -> None:
    """A worker of the library's that is asked to end by a signal, or ends by itself."""
    serving = pytest.importorskip("guild.workers.serving")

    async def work() -> None:
        if number is not None:
            os.kill(os.getpid(), number)
            await asyncio.sleep(100)

    asyncio.run(serving._until_asked(work()))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_worker(number: int) -> None:
    asked_by(number)


def test_twin_one_that_ends_by_itself_has_lost_the_server() -> None:
    with pytest.raises(DatabaseError):
        asked_by(None)
