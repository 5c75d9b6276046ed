"""Ten minutes on a GPU machine: rows that fail, hang or come too late; and in small, where little is installed."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from realm.world import CHECKOUT
from scripts.bench import gpu_check
from scripts.bench.gpu_check import BROKEN, INCOMPLETE, KEPT, Result, Row, Worker, check, exit_code, table

WORKER = """
import json, os, signal, subprocess, sys, time
print(json.dumps({"machine": {"cores": 1}}), flush=True)
for name in map(str.strip, sys.stdin):
    if name == "dies":
        os._exit(3)
    if name == "hangs":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        open(sys.argv[1], "w").write(f"{os.getpid()} {child.pid}")
        time.sleep(600)
    if name == "late":
        time.sleep(0.5)
    if name == "raises":
        print(json.dumps({"failed": "RuntimeError: CUDA error"}), flush=True)
    elif name == "elsewhere":
        print(json.dumps({"not_here": "two cards are needed"}), flush=True)
    else:
        print(json.dumps({"row": {"ours": 2.0, "unit": str(os.getpid())}}), flush=True)
"""


def row(name: str, seconds: float = 60.0, kept: Callable[[dict[str, object]], bool | None] = lambda row: True) -> Row:
    return Row(name, seconds, "promised", kept)


class Impatient(Worker):
    """Time is up for a row that hangs as soon as it does."""

    def __init__(self, command: list[str]) -> None:
        super().__init__(command)
        self._hanging = Path(command[-1])

    def ask(self, name: str, deadline: float) -> dict[str, Any]:
        self._hangs = name == "hangs"
        return super().ask(name, deadline)

    def _answer(self, deadline: float) -> dict[str, Any]:
        if not (self.told and self._hangs):
            return super()._answer(deadline)
        wait_for_pids(self._hanging)
        return super()._answer(time.monotonic())


def wait_for_pids(path: Path) -> None:
    while not path.exists() or len(path.read_text().split()) < 2:
        time.sleep(0.01)


def measured(
    tmp_path: Path, *rows: Row, seconds: float = 600.0, dry_run: bool = False, kind: type[Worker] = Worker
) -> list[Result]:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    worker = kind([sys.executable, str(script), str(tmp_path / "pids")])
    handed = list[Result]()
    try:
        results = check(worker, rows, seconds=seconds, dry_run=dry_run, on_result=handed.append)
    finally:
        worker.end()
    assert handed == results
    return results


def test_a_row_that_fails_is_told_and_the_next_is_measured_by_a_new_process(tmp_path: Path) -> None:
    results = measured(tmp_path, *map(row, ("first", "raises", "second", "dies", "third", "elsewhere", "fourth")))
    assert [one.state for one in results] == ["ran", "failed", "ran", "failed", "ran", "not here", "ran"]
    assert "CUDA error" in results[1].reason
    pids = [results[place].unit for place in (0, 2, 4, 6)]
    assert len(set(pids[:3])) == 3, "what a CUDA error has spoilt measures nothing more"
    assert pids[2] == pids[3], "one that is not here has spoilt nothing"
    assert exit_code(results) == INCOMPLETE
    assert all(name in table(results) for name in ("CUDA error", "two cards are needed", "yes"))


def test_a_row_that_hangs_is_ended_with_what_it_started(tmp_path: Path) -> None:
    results = measured(tmp_path, row("hangs"), row("after"), kind=Impatient)
    assert [one.state for one in results] == ["out of time", "ran"]
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        wait_gone(pid)


def test_twin_without_its_group_a_child_would_go_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.kill
    monkeypatch.setattr(gpu_check.os, "killpg", lambda group, number: real(group, number))
    measured(tmp_path, row("hangs"), kind=Impatient)
    worker, child = map(int, (tmp_path / "pids").read_text().split())
    wait_gone(worker)
    assert psutil.pid_exists(child)
    real(child, signal.SIGKILL)


def wait_gone(pid: int) -> None:
    """Whoever inherited it may take a moment to bury it."""
    try:
        process = psutil.Process(pid)
        while process.is_running() and process.status() != psutil.STATUS_ZOMBIE:
            time.sleep(0.01)
    except psutil.NoSuchProcess:
        pass


def test_what_does_not_come_to_its_turn_is_told(tmp_path: Path) -> None:
    results = measured(tmp_path, row("late"), row("next"), seconds=0.2)
    assert [one.state for one in results] == ["out of time", "no time left"]
    assert exit_code(results) == INCOMPLETE


def test_twin_without_the_clock_both_would_be_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_check.time, "monotonic", lambda: 0.0)
    results = measured(tmp_path, row("late"), row("next"), seconds=600.0)
    assert [one.state for one in results] == ["ran", "ran"]


def test_a_promise_that_is_broken_is_in_the_exit_code_and_a_dry_run_breaks_none(tmp_path: Path) -> None:
    slow = row("slow", kept=lambda row: False)
    assert exit_code(measured(tmp_path, row("good"), slow)) == BROKEN
    assert exit_code(measured(tmp_path, row("good"), slow, dry_run=True)) == KEPT
    exact = Row("resume", 60.0, "the same bits", lambda row: False, exact=True)
    assert exit_code(measured(tmp_path, exact, dry_run=True)) == BROKEN


@pytest.mark.parametrize(
    ("figures", "kept"),
    [
        ({"ratio": 1.3, "ratio_to_defaults": 2.1}, True),
        ({"ratio": 1.2, "ratio_to_defaults": 2.1}, False),
        ({"ratio": 1.3, "ratio_to_defaults": 1.9}, False),
        ({"ratio": None, "ratio_to_defaults": None}, None),
    ],
)
def test_p2_is_judged_by_both_ways_of_trl_or_not_at_all(figures: dict[str, float | None], kept: bool | None) -> None:
    (p2,) = (one for one in gpu_check.ROWS if one.id == "P2")
    assert p2.kept(figures) is kept


BARE = """
import importlib.metadata as metadata, sys
sys.modules.update(dict.fromkeys({absent!r}))
real = metadata.version
def version(name):
    if name == "trl":
        raise metadata.PackageNotFoundError(name)
    return real(name)
metadata.version = version
"""
ABSENT = ("django", "channels", "trl", "datasets", "guild", "rich", "watchdog", "procrastinate", "psycopg", "uvicorn")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_dry_run_needs_neither_django_nor_trl(tmp_path: Path) -> None:
    """In this process and every one that it starts what is ABSENT cannot be imported."""
    (tmp_path / "sitecustomize.py").write_text(BARE.format(absent=ABSENT))
    environment = os.environ | {"PYTHONPATH": str(tmp_path), "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"}
    out = tmp_path / "check.json"
    command = [CHECKOUT / "scripts/gpu_check.sh", "--dry-run", "--only", "resume,P2,P15", "--out", out]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == KEPT, done.stderr
    told = json.loads(out.read_bytes())
    assert {"machine", "versions", "dry_run", "seconds", "rows"} <= set(told)
    assert "trl" not in told["versions"]
    resume, p2, p15 = told["rows"]
    assert (resume["figure"], resume["kept"]) == (1.0, True)
    assert resume["details"]["interrupted"]
    assert any(name.endswith(".safetensors") for name in resume["details"]["sha256"])
    assert (p2["state"], p2["kept"], p2["reason"]) == ("ran", None, "TRL is not installed")
    assert p2["figure"] > 0
    assert p15["figure"] > 0
    assert "TRL is not installed" in done.stdout


@pytest.fixture
def _hears_interrupts() -> Iterator[None]:
    """Also in a run that a shell has started in the background, which ignores them."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("_hears_interrupts")
def test_a_check_that_is_interrupted_leaves_no_process(tmp_path: Path) -> None:
    threading.Thread(target=_interrupt_once, args=(tmp_path / "pids",), daemon=True).start()
    with pytest.raises(KeyboardInterrupt):
        measured(tmp_path, row("hangs"))
    for pid in map(int, (tmp_path / "pids").read_text().split()):
        wait_gone(pid)


def _interrupt_once(there: Path) -> None:
    wait_for_pids(there)
    main = threading.main_thread().ident
    assert main is not None
    signal.pthread_kill(main, signal.SIGINT)
