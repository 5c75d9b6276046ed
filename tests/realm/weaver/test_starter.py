"""How a service begins, and what stands in for one whose supervisord was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from realm.config import RealmConfig
from realm.processes.log import LARGEST_BYTES, ChildLog
from realm.weaver import orphans, service_lock, starter
from realm.weaver.services import services
from realm.weaver.starter import SERVICE_VARIABLE
from realm.weaver.supervisord_config import starter_words
from realm.world import CHECKOUT, World
from sentinels.guardian import processes
from tests.support.servers import TIMEOUT_SECONDS, environment, wait_until

pytestmark = pytest.mark.slow

EVERY = RealmConfig(serve_trainers=("bin",), bridges=("tensorboard",), web_ports=(8898,))

SERVICE = """
import signal, sys, time
signal.signal(signal.SIGTERM, lambda *_: (print("saved", flush=True), sys.exit(3)))
while True:
    time.sleep(0.05)
    print("works", flush=True)
"""
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('works', flush=True); time.sleep(600)"


def check_heaps(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MALLOC_ARENA_MAX", raising=False)
    monkeypatch.setattr(service_lock, "own_mark", lambda world, name: "")
    names = [service.name for service in services(EVERY)]
    told = {name: starter.environment(world, name, service_lock.WEAVER).get("MALLOC_ARENA_MAX") for name in names}
    assert {name for name, most in told.items() if most == "1"} == {"tavern", "tavern-8898", "vault"}
    monkeypatch.setenv("MALLOC_ARENA_MAX", "4")
    assert starter.environment(world, "vault", service_lock.WEAVER)["MALLOC_ARENA_MAX"] == "4"


def test_who_answers_keeps_one_heap_and_who_starts_trainers_does_not(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_heaps(world, monkeypatch)


def test_twin_every_service_keeps_one_heap(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "_ANSWERING", "")
    with pytest.raises(AssertionError):
        check_heaps(world, monkeypatch)


class Supervisor:
    """As supervisord starts a service: with a pipe that ends with it."""

    def __init__(self, world: World, code: str, *, seconds: int = 10) -> None:
        words = ["-S", "-m", "realm.weaver.starter", "arena", str(seconds), service_lock.WEAVER, "-S", "-c", code]
        self.reads, writes = os.pipe()
        self.child = subprocess.Popen([sys.executable, *words], cwd=CHECKOUT, env=environment(world), stdout=writes)
        os.close(writes)

    def die(self) -> None:
        os.close(self.reads)


@contextmanager
def service(world: World, code: str) -> Iterator[Supervisor]:
    began = Supervisor(world, code)
    try:
        wait_until(lambda: "works" in console(world).last_lines(1))
        yield began
    finally:
        began.child.kill()
        began.child.wait()


def console(world: World) -> ChildLog:
    return ChildLog(world.logs / "arena" / "arena.log")


def size(world: World) -> int:
    return (world.logs / "arena" / "arena.log").stat().st_size


def test_a_service_outlives_its_supervisor_and_is_not_doubled(world: World) -> None:
    with service(world, SERVICE) as first:
        assert service_lock.holder(world, "arena") == first.child.pid
        assert f"{SERVICE_VARIABLE}=arena" in Path(f"/proc/{first.child.pid}/environ").read_text()
        first.die()
        before = size(world)
        wait_until(lambda: size(world) > before)  # it writes on
        second = Supervisor(world, SERVICE)
        wait_until(lambda: "/dev/null" not in os.readlink(f"/proc/{second.child.pid}/fd/1"))
        assert service_lock.holder(world, "arena") == first.child.pid
        wait_until(lambda: _handles(second.child.pid, signal.SIGTERM))
        second.child.terminate()  # which is handed on
        assert first.child.wait(TIMEOUT_SECONDS) == 3
        assert second.child.wait(TIMEOUT_SECONDS) == 0
        assert "saved" in console(world).last_lines(1)
        second.die()


def test_twin_without_the_lock_there_are_two(world: World, tmp_path: Path) -> None:
    with service(world, SERVICE) as first:
        first.die()
        (world.control / service_lock.FOLDER / "arena.lock").unlink()
        second = Supervisor(world, SERVICE)
        wait_until(lambda: service_lock.holder(world, "arena") == second.child.pid)
        assert processes.look(first.child.pid)
        second.child.kill()
        second.child.wait()
        second.die()


def test_a_stand_in_ends_with_its_own_supervisor_and_leaves_the_service(world: World) -> None:
    with service(world, SERVICE) as first:
        second = Supervisor(world, SERVICE)
        wait_until(lambda: _handles(second.child.pid, signal.SIGTERM))
        second.die()
        assert second.child.wait(TIMEOUT_SECONDS) == 0
        assert first.child.poll() is None
        first.die()


ASKS = """
import time
from realm.weaver import service_lock
from realm.world import World
service_lock.holder(World.from_environment(), "arena")
print("works", flush=True)
time.sleep(600)
"""


def test_a_service_that_asks_who_holds_its_lock_goes_on_holding_it(world: World) -> None:
    """As the Tavern does, whose page shows the services."""
    with service(world, ASKS) as first:
        assert service_lock.holder(world, "arena") == first.child.pid
        first.die()


def test_twin_one_that_does_not_know_its_own_loses_it(world: World) -> None:
    with service(world, f"import os; os.environ.pop({service_lock.HELD_VARIABLE!r})\n{ASKS}") as first:
        assert service_lock.holder(world, "arena") is None
        first.die()


def test_the_signal_that_the_kernel_sends_as_a_supervisor_ends_ends_no_service(world: World) -> None:
    """Where a process of the service's group was stopped."""
    with service(world, SERVICE) as first:
        first.child.send_signal(signal.SIGHUP)
        before = size(world)
        wait_until(lambda: size(world) > before)
        first.die()


def test_twin_one_that_hears_it_dies(world: World) -> None:
    hears = "import signal; signal.signal(signal.SIGHUP, signal.SIG_DFL)"
    with service(world, f"{hears}\n{SERVICE}") as first:
        first.child.send_signal(signal.SIGHUP)
        assert first.child.wait(TIMEOUT_SECONDS) == -signal.SIGHUP
        first.die()


def test_there_is_one_of_each_service_however_it_is_started(world: World) -> None:
    holds = """
import sys
from realm.weaver import service_lock
from realm.world import World
assert all([service_lock.take(World.from_environment(), name) for name in sys.argv[1:]])
print("holds", flush=True)
sys.stdin.read()
"""
    every = services(EVERY)
    command = [sys.executable, "-S", "-c", holds, *(one.name for one in every)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment(world), **pipes) as first:
        assert first.stdout is not None
        assert first.stdout.readline() == b"holds\n"
        begun = [
            subprocess.Popen([sys.executable, *words], cwd=CHECKOUT, env=environment(world), stderr=subprocess.PIPE)
            for words in (starter_words(one, run_by=service_lock.SYSTEMD) for one in every)
        ]
        said = [second.communicate()[1].decode() for second in begun]
        first.communicate()
    assert [second.returncode for second in begun] == [1] * len(every)
    for one, refusal in zip(every, said, strict=True):
        assert f"{one.name} of {world.home} is process {first.pid}" in refusal


def test_one_that_does_not_end_is_killed_in_its_time(world: World) -> None:
    with service(world, DEAF) as first:
        second = Supervisor(world, DEAF, seconds=1)
        wait_until(lambda: _handles(second.child.pid, signal.SIGTERM))
        second.child.terminate()
        assert first.child.wait(TIMEOUT_SECONDS) == -signal.SIGKILL
        assert second.child.wait(TIMEOUT_SECONDS) == 0
        second.die()
        first.die()


def test_twin_a_pipe_would_have_ended_the_service(world: World) -> None:
    """As it was, when its output went through supervisord."""
    reads, writes = os.pipe()
    with subprocess.Popen([sys.executable, "-S", "-c", SERVICE], stdout=writes, stderr=writes) as begun:
        os.close(writes)
        os.read(reads, 10)
        os.close(reads)
        assert begun.wait(TIMEOUT_SECONDS) != 0


def test_a_console_that_is_written_to_is_cut_where_it_is_long(world: World) -> None:
    with service(world, SERVICE):
        with open(world.logs / "arena" / "arena.log", "r+b") as log:
            log.truncate(LARGEST_BYTES + 1)
        console(world).cut()
        assert size(world) < LARGEST_BYTES
        assert (world.logs / "arena" / "arena.log.1").stat().st_size > LARGEST_BYTES
        before = size(world)
        wait_until(lambda: size(world) > before)


def test_what_took_its_lock_during_the_search_for_orphans_is_spared(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A supervisor that is killed may have begun a service a moment before."""
    with subprocess.Popen(["sleep", "60"]) as begun:
        alive: set[int] = set()

        def find(world: World) -> dict[str, list[psutil.Process]]:
            alive.add(begun.pid)
            return {"arena": [psutil.Process(begun.pid)]}

        monkeypatch.setattr(orphans, "find", find)
        assert orphans.end(world, services(EVERY), spare=lambda: alive) == []
        # Twin: as it was, when who lives was asked before.
        asked_before: frozenset[int] = frozenset()
        assert orphans.end(world, services(EVERY), spare=lambda: asked_before) == ["arena"]
        assert processes.look(begun.pid) is None


def _handles(pid: int, number: int) -> bool:
    """Whether the process has a handler for that signal."""
    caught = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)
