"""A run that is cut off leaves nothing behind, not even what has left its process group."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from realm.world import CHECKOUT
from tests.support import reaper

SLEEPER = "import os, time; os.setsid(); print(os.getpid(), flush=True); time.sleep(600)"


@pytest.fixture
def mark() -> str:
    return f"cut-off-{os.getpid()}"


@pytest.fixture
def sleeper(mark: str) -> Iterator[psutil.Process]:
    """In a session of its own, and nobody's child."""
    command = [sys.executable, "-c", SLEEPER]
    environment = os.environ | {reaper.VARIABLE: mark}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        found = psutil.Process(int(process.stdout.readline()))
        yield found
        process.kill()


def reap(mark: str) -> None:
    """As when the run's process is gone: its end of the pipe closes."""
    command = [sys.executable, "-m", "tests.support.reaper", mark]
    subprocess.run(command, cwd=CHECKOUT, stdin=subprocess.DEVNULL, check=True, timeout=100)


def test_what_bears_the_mark_is_ended(mark: str, sleeper: psutil.Process) -> None:
    reap(mark)
    sleeper.wait(100)
    assert reaper.marked(mark) == []


def test_what_bears_another_mark_lives(mark: str, sleeper: psutil.Process) -> None:
    reap(f"{mark}-of-another-run")
    assert reaper.marked(mark) == [sleeper]


CAMPAIGN = f"""
import subprocess, sys
from tests.campaigns.__main__ import nothing_left_behind
with nothing_left_behind():
    subprocess.Popen([sys.executable, "-c", {SLEEPER!r}])
    sys.stdin.read()
"""


def cut_off_campaign(environment: dict[str, str]) -> psutil.Process:
    """What is left of one that is killed."""
    command = [sys.executable, "-c", CAMPAIGN]
    with subprocess.Popen(
        command, cwd=CHECKOUT, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as campaign:
        assert campaign.stdout is not None
        started = psutil.Process(int(campaign.stdout.readline()))
        campaign.kill()
    return started


def test_a_campaign_that_is_cut_off_leaves_nothing_behind() -> None:
    without = {name: value for name, value in os.environ.items() if name != reaper.VARIABLE}
    started = cut_off_campaign(without)
    psutil.wait_procs([started], timeout=100)
    assert not started.is_running()


def test_twin_as_a_part_of_a_run_it_is_that_which_ends_what_was_started() -> None:
    started = cut_off_campaign(dict(os.environ))
    assert started in reaper.marked(os.environ[reaper.VARIABLE])
    started.kill()
