"""The gatekeepers' process: what it answers, and what is done when it dies, hangs or has nothing to do."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from arena import embedded
from arena.gate import process
from arena.gate.messages import Answer, Job
from arena.gate.process import GateProcess
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from realm.processes.child import ChildProcess
from realm.world import World

TIMEOUT_SECONDS = 60.0
# Dies of a file called deadly, hangs at one called endless, and answers of all others that they are unreadable.
STAND_IN = """
import json, os, sys, time
for line in sys.stdin:
    job = json.loads(line)
    if "deadly" in job["path"]:
        os._exit(7)
    if "endless" in job["path"]:
        time.sleep(3600)
    print(json.dumps({"number": job["number"], "path": job["path"], "seen": [], "unreadable": "x"}), flush=True)
"""

# Dies of every file that it reads by the hero's model.
DIES_BY_THE_MODEL = """
import json, os, sys
for line in sys.stdin:
    job = json.loads(line)
    if job["tokenizer"]:
        os._exit(7)
    answer = {"number": job["number"], "path": job["path"], "seen": []}
    answer["report"] = {"quest": "a", "sha256": "0", "size_bytes": 1}
    print(json.dumps(answer), flush=True)
"""


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def wake_up() -> threading.Event:
    return threading.Event()


@pytest.fixture
def stand_in(world: World, wake_up: threading.Event, clock: Clock) -> Iterator[GateProcess]:
    gate = GateProcess(world, wake_up.set, (sys.executable, "-c", STAND_IN), clock=clock)
    yield gate
    gate.shut_down()


def job(gate: GateProcess, path: Path) -> Job:
    number = gate.next_number()
    return Job(
        number=number, path=str(path), rules=GateRules(), recipe=Recipe(), tokenizer=str(embedded.SOURCE), specs={}
    )


def answers(gate: GateProcess, wake_up: threading.Event, count: int) -> list[Answer]:
    found: list[Answer] = []
    while len(found) < count:
        assert wake_up.wait(TIMEOUT_SECONDS), "the gatekeepers say nothing"
        wake_up.clear()
        found += gate.take_answers()
    return found


def test_files_are_looked_at_in_order_by_a_warm_child(world: World, wake_up: threading.Event) -> None:
    gate = GateProcess(world, wake_up.set)
    try:
        paths = [world.lane("normal") / f"{name}.jsonl" for name in "abc"]
        for path in paths:
            path.write_text(f'{{"prompt": "a", "completion": "b {path.name}"}}\n')
            gate.give(job(gate, path))
        found = answers(gate, wake_up, 3)
        assert [answer.path for answer in found] == [str(path) for path in paths]
        assert [answer.report and answer.report.taken for answer in found] == [1, 1, 1]
        assert found[0].report is not None
        assert found[0].report.tokens
        gone = world.lane("normal") / "gone.jsonl"
        gate.give(job(gate, gone))
        (answer,) = answers(gate, wake_up, 1)
        assert (answer.report, answer.errno) == (None, 2)
    finally:
        gate.shut_down()


def test_a_child_that_was_killed_is_started_again_and_the_file_looked_at(
    stand_in: GateProcess, wake_up: threading.Event, world: World
) -> None:
    stand_in.give(job(stand_in, world.home / "a.jsonl"))
    answers(stand_in, wake_up, 1)
    assert stand_in._child is not None
    os.kill(stand_in._child.pid, signal.SIGKILL)
    stand_in._child.wait()
    stand_in.take_answers()
    stand_in.give(job(stand_in, world.home / "b.jsonl"))
    assert [answer.unreadable for answer in answers(stand_in, wake_up, 1)] == ["x"]


def test_a_file_of_which_it_dies_twice_is_refused_and_the_next_is_looked_at(
    stand_in: GateProcess, wake_up: threading.Event, world: World
) -> None:
    for name in ("a", "deadly", "b"):
        stand_in.give(job(stand_in, world.home / f"{name}.jsonl"))
    found = answers(stand_in, wake_up, 3)
    assert [Path(answer.path).stem for answer in found] == ["a", "deadly", "b"]
    assert found[1].kind == "gate-died"
    assert "died (exit code 7" in found[1].unreadable
    assert [found[0].unreadable, found[2].unreadable] == ["x", "x"]


def test_a_file_at_which_it_hangs_is_refused_and_the_next_is_looked_at(
    stand_in: GateProcess, wake_up: threading.Event, world: World, clock: Clock
) -> None:
    for name in ("endless", "b"):
        stand_in.give(job(stand_in, world.home / f"{name}.jsonl"))
    found: list[Answer] = []
    for _ in range(process.MOST_DEATHS + 1):
        assert stand_in.take_answers() == []
        clock.now += process.HANG_SECONDS + 1
        found += stand_in.take_answers()
    assert "hung for 60 s" in found[0].unreadable
    assert [answer.unreadable for answer in answers(stand_in, wake_up, 1)] == ["x"]


def _stopped(gate: GateProcess, path: Path, clock: Clock) -> int:
    """The number of the child, which a signal stopped at that file long ago."""
    gate.give(job(gate, path))
    assert gate._child is not None
    pid = gate._child.pid
    os.kill(pid, signal.SIGSTOP)
    os.waitid(os.P_PID, pid, os.WSTOPPED | os.WNOWAIT)
    clock.now += process.STOPPED_SECONDS + 1
    return pid


def test_one_that_a_signal_stopped_is_replaced_soon_and_no_file_is_to_blame(
    stand_in: GateProcess, wake_up: threading.Event, world: World, clock: Clock
) -> None:
    for _ in range(process.MOST_DEATHS + 1):
        stopped = _stopped(stand_in, world.home / "endless.jsonl", clock)
        assert stand_in.take_answers() == []
        assert stand_in._child is not None
        assert stand_in._child.pid != stopped
    assert stand_in._deaths == 0


def test_twin_without_the_look_at_its_state_it_stays(
    stand_in: GateProcess, world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ChildProcess, "is_stopped", False)
    stopped = _stopped(stand_in, world.home / "endless.jsonl", clock)
    assert stand_in.take_answers() == []
    assert stand_in._child is not None
    assert stand_in._child.pid == stopped


def test_an_idle_child_is_ended_and_started_when_it_is_wanted(
    stand_in: GateProcess, wake_up: threading.Event, world: World, clock: Clock
) -> None:
    stand_in.give(job(stand_in, world.home / "a.jsonl"))
    answers(stand_in, wake_up, 1)
    clock.now += process.IDLE_SECONDS + 1
    stand_in.take_answers()
    assert stand_in._child is None
    stand_in.give(job(stand_in, world.home / "b.jsonl"))
    assert len(answers(stand_in, wake_up, 1)) == 1


def test_the_child_ends_when_its_daemon_does(world: World, wake_up: threading.Event) -> None:
    gate = GateProcess(world, wake_up.set)
    path = world.lane("normal") / "a.jsonl"
    path.write_text('{"prompt": "a", "completion": "b"}\n')
    gate.give(job(gate, path))
    answers(gate, wake_up, 1)
    child = gate._child
    assert child is not None
    child.hang_up()  # as the kernel does when the daemon is killed
    assert child.wait(TIMEOUT_SECONDS) == 0


def test_so_many_jobs_ahead_fit_into_a_pipe(world: World, wake_up: threading.Event) -> None:
    """Else the daemon would wait for a child that is busy with a large file."""
    gate = GateProcess(world, wake_up.set, (sys.executable, "-c", "import time; time.sleep(3600)"))
    try:
        while gate.has_room:
            gate.give(job(gate, world.home / ("x" * 200 + ".jsonl")))
    finally:
        gate.shut_down()


def test_what_only_happens_with_the_model_is_the_models_fault(
    world: World, wake_up: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = GateProcess(world, wake_up.set, (sys.executable, "-c", DIES_BY_THE_MODEL))
    try:
        gate.give(job(gate, world.home / "a.jsonl"))
        (answer,) = answers(gate, wake_up, 1)
        assert answer.report is not None
        assert answer.model_error.startswith(f"the model {embedded.SOURCE}: reading a.jsonl by it, the gatekeepers'")
        monkeypatch.setattr(gate, "_blamed", lambda answer: answer)
        gate.give(job(gate, world.home / "b.jsonl"))
        assert answers(gate, wake_up, 1)[0].model_error == "", "twin: nobody would hear of it"
    finally:
        gate.shut_down()
