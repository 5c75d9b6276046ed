"""A child is heard line by line, ends with its group, and with this process where it converses."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from realm.processes import orphans
from realm.processes.child import ChildProcess
from realm.processes.log import ChildLog
from realm.world import CHECKOUT, World

pytestmark = pytest.mark.slow

TIMEOUT_SECONDS = 60.0
ECHO = "import sys\nfor line in sys.stdin: print(line.strip().upper(), flush=True)"
# Starts another one of its group, says its number, and waits.
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", "import time; time.sleep(600)"])
print(child.pid, flush=True)
"""
STAYS = f"""{PARENT}
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


class Heard:
    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.ended = threading.Event()
        self._said = threading.Condition()

    def hear(self, line: bytes) -> None:
        with self._said:
            self.lines.append(line)
            self._said.notify_all()

    def wait_for(self, count: int) -> list[bytes]:
        with self._said:
            assert self._said.wait_for(lambda: len(self.lines) >= count, TIMEOUT_SECONDS)
            return self.lines


@pytest.fixture
def heard() -> Heard:
    return Heard()


@pytest.fixture
def log(tmp_path: Path) -> ChildLog:
    return ChildLog(tmp_path / "logs" / "child.log")


def converse(code: str, log: ChildLog, heard: Heard) -> ChildProcess:
    return ChildProcess.conversing([sys.executable, "-S", "-c", code], log, on_line=heard.hear, on_end=heard.ended.set)


def ends(pid: int) -> bool:
    """Whether it is gone, or will be in a moment."""
    try:
        psutil.Process(pid).wait(TIMEOUT_SECONDS)
    except psutil.NoSuchProcess:
        return True
    except psutil.TimeoutExpired:
        return False
    return True


def test_lines_go_both_ways_and_it_ends_when_its_input_does(log: ChildLog, heard: Heard) -> None:
    child = converse(ECHO, log, heard)
    assert child.send(b"one\n")
    assert child.send(b"two\n")
    assert heard.wait_for(2) == [b"ONE\n", b"TWO\n"]
    assert (child.alive, child.exit_code) == (True, None)
    child.hang_up()
    assert heard.ended.wait(TIMEOUT_SECONDS)
    assert (child.alive, child.exit_code) == (False, 0), "who hears of the end finds it dead"


def test_half_a_line_is_not_heard_and_its_last_words_are_in_the_log(log: ChildLog, heard: Heard) -> None:
    child = converse("import sys; print('whole'); print('ha', end=''); sys.exit('ouch')", log, heard)
    assert heard.ended.wait(TIMEOUT_SECONDS)
    assert (heard.lines, child.exit_code, log.last_lines(1)) == ([b"whole\n"], 1, "ouch")
    assert not child.send(b"too late\n")
    child.hang_up()


@pytest.fixture
def family(log: ChildLog, heard: Heard) -> Iterator[tuple[ChildProcess, int]]:
    """A child that has ended, and the number of one that it left in its group."""
    child = converse(PARENT, log, heard)
    left = int(heard.wait_for(1)[0])
    while child.alive:  # the other holds its output open, so nobody hears of the end
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    yield child, left
    if psutil.pid_exists(left):
        os.kill(left, signal.SIGKILL)
    child.reap()


def test_what_it_left_in_its_group_is_ended_with_it(family: tuple[ChildProcess, int]) -> None:
    child, left = family
    assert child.reap() == 0
    assert ends(left)


def test_twin_of_one_that_is_only_waited_for_the_group_lives_on(family: tuple[ChildProcess, int]) -> None:
    child, left = family
    assert child.wait() == 0
    assert psutil.Process(left).is_running()
    child.kill()
    assert psutil.Process(left).is_running(), "its number may be another's by now"


def test_after_the_grace_the_group_is_killed(log: ChildLog, heard: Heard) -> None:
    child = converse(STAYS, log, heard)
    left = int(heard.wait_for(2)[0])
    child.terminate()
    beats: list[None] = []
    assert child.wait_or_kill(0.1, meanwhile=lambda: beats.append(None)) == -signal.SIGKILL
    assert len(beats) == 1
    assert ends(left)


def test_a_stopped_one_dies_of_the_kill(log: ChildLog, heard: Heard) -> None:
    child = converse(ECHO, log, heard)
    os.kill(child.pid, signal.SIGSTOP)
    assert child.reap() == -signal.SIGKILL
    assert heard.ended.wait(TIMEOUT_SECONDS)


def test_it_dies_when_the_one_who_speaks_to_it_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom realm.processes.child import ChildProcess\n"
        "from realm.processes.log import ChildLog\n"
        f"child = ChildProcess.conversing([sys.executable, '-S', '-c', {ECHO!r}], ChildLog(Path(sys.argv[1])),"
        " on_line=print, on_end=print)\nprint(child.pid, flush=True)\ntime.sleep(600)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path / "log")]
    with subprocess.Popen(argv, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert ends(pid)


def test_orphans_are_those_of_this_world_that_live_and_bear_the_mark(world: World, log: ChildLog) -> None:
    def start(home: str, variable: str) -> ChildProcess:
        env = os.environ | {"REALM_HOME": home, variable: "its name"}
        return ChildProcess.logged(["sleep", "600"], log, env=env)

    ours, theirs, other = start(str(world.home), "MARK"), start("/elsewhere", "MARK"), start(str(world.home), "OTHER")
    try:
        assert [(found.pid, mark) for found, mark in orphans.find(world, "MARK")] == [(ours.pid, "its name")]
        ours.kill()
        os.waitid(os.P_PID, ours.pid, os.WEXITED | os.WNOWAIT)
        assert not any(orphans.find(world, "MARK"))
    finally:
        for child in (ours, theirs, other):
            child.reap()


HELD = "from realm.processes.held import end_with_input; end_with_input(); import time; time.sleep(600)"


@pytest.mark.parametrize(("is_held", "ends_itself"), [(True, True), (False, False)], ids=["held", "twin"])
def test_one_that_is_held_ends_with_who_started_it(log: ChildLog, is_held: bool, ends_itself: bool) -> None:
    """However that ends: a pipe is closed by the kernel."""
    code = HELD if is_held else "import time; time.sleep(600)"
    child = ChildProcess.logged([sys.executable, "-S", "-c", code], log, env=dict(os.environ), is_held=True)
    assert child.alive
    child.hang_up()
    if ends_itself:
        assert child.wait(TIMEOUT_SECONDS) == -signal.SIGTERM
    else:
        assert child.alive
        child.reap()
