"""A server that is away is told as Django tells it, so that the Task Master waits for it."""

from __future__ import annotations

import pytest
from django.db import DatabaseError

from guild.workers import jobs


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
