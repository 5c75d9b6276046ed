"""What a service takes: its children with it, means between two looks, nothing of those that are gone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest

from realm.machine.services import SEEK_SECONDS, ServiceMeter
from realm.weaver.starter import SERVICE_VARIABLE
from realm.world import World
from tests.support.servers import environment

PARENT = """\
import subprocess, sys
child = subprocess.Popen([sys.executable, "-S", "-c", "input()"], stdin=sys.stdin)
print("ready", flush=True)
child.wait()
"""


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def arena(world: World) -> Iterator[subprocess.Popen[bytes]]:
    """A process marked as the arena's, with one child; they end when their input does."""
    marked = environment(world) | {SERVICE_VARIABLE: "arena"}
    command = [sys.executable, "-S", "-c", PARENT]
    with subprocess.Popen(command, env=marked, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process


def test_children_count_and_percents_are_means_between_two_looks(
    world: World, arena: subprocess.Popen[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    meter = ServiceMeter(world, clock=clock)
    (first,) = meter.read()
    assert (first.name, first.processes, first.cpu_percent) == ("arena", 2, None)
    assert first.memory_bytes > psutil.Process(arena.pid).memory_info().rss
    seen = meter._seen
    meter._seen = {pid: (then, seconds - 2.0) for pid, (then, seconds) in seen.items()}
    clock.now += 8
    (second,) = meter.read()
    assert second.cpu_percent == pytest.approx(50.0, abs=5.0), "two processes, two seconds each, in eight"
    arena.communicate(b"\n")
    assert meter.read() == ()


def test_one_that_began_since_is_found_at_the_next_search(world: World) -> None:
    clock = Clock()
    meter = ServiceMeter(world, clock=clock)
    assert meter.read() == ()
    marked = environment(world) | {SERVICE_VARIABLE: "vault"}
    with subprocess.Popen([sys.executable, "-S", "-c", "input()"], env=marked, stdin=subprocess.PIPE) as process:
        assert meter.read() == ()
        clock.now += SEEK_SECONDS
        assert [use.name for use in meter.read()] == ["vault"]
        process.communicate(b"\n")
