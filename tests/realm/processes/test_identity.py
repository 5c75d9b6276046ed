"""A process is known again by what no clock moves."""

from __future__ import annotations

import os
import subprocess

import psutil
import pytest

from realm.processes.identity import identity

DAY_SECONDS = 86_400.0


def test_two_processes_differ_and_each_stays_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    own = identity(os.getpid())
    assert own != identity(1)
    moved = psutil.Process().create_time() + DAY_SECONDS
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: moved)
    assert identity(os.getpid()) == own


def test_one_that_is_gone_has_none() -> None:
    with subprocess.Popen(["true"]) as process:
        process.wait()
    with pytest.raises(psutil.NoSuchProcess):
        identity(process.pid)
