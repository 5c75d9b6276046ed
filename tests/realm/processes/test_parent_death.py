"""A child that asked for it ends with its parent, however that one ends."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from realm.world import CHECKOUT

CHILD = """
import os, sys, time
from realm.processes.parent_death import die_with
if sys.argv[1] == "asks":
    die_with(os.getppid())
print(os.getpid(), flush=True)
time.sleep(600)
"""
PARENT = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], start_new_session=True).wait()
"""
BY_THEN_SECONDS = 20


def child_of_a_killed_parent(word: str) -> psutil.Process:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, CHILD, word], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))  # it has asked by then
        parent.kill()
    return child


@pytest.mark.slow
def test_it_dies_with_its_parent() -> None:
    gone, _ = psutil.wait_procs([child_of_a_killed_parent("asks")], timeout=BY_THEN_SECONDS)
    assert gone


@pytest.mark.slow
def test_twin_one_that_did_not_ask_stays() -> None:
    child = child_of_a_killed_parent("stays")
    assert child.is_running()
    assert child.status() != psutil.STATUS_ZOMBIE
    child.kill()


def test_one_whose_parent_is_gone_already_dies_at_once() -> None:
    asked = "from realm.processes.parent_death import die_with; die_with(1 << 30); print('lives')"
    done = subprocess.run([sys.executable, "-c", asked], cwd=CHECKOUT, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (-9, b"")
