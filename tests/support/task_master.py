"""A Task Master whose clock stands still, with tasks that are small real processes."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from guild.tasks.conditions import Answer, Hosts
from guild.tasks.load import LoadMeter
from guild.tasks.master import TaskMaster
from guild.tasks.registry import Resource, Task
from realm.config import RealmConfig
from realm.world import World

DEADLINE_SECONDS = 80.0
QUICK = "pass"
LONG = "import time; time.sleep(600)"
STUBBORN = """\
import signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


class Clock:
    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


def a_task(
    name: str,
    code: str = QUICK,
    *,
    priority: int = 5,
    resource: Resource = "cpu",
    conditions: tuple[str, ...] = (),
    cooldown_seconds: float = 60.0,
    timeout_seconds: float = 60.0,
    enabled: bool = True,
) -> Task:
    return Task(
        name=name,
        title=name,
        priority=priority,
        argv=(sys.executable, "-S", "-c", code),
        resource=resource,
        conditions=conditions,
        cooldown_seconds=cooldown_seconds,
        timeout_seconds=timeout_seconds,
        enabled=enabled,
    )


def an_idle_meter(cpu_percent: float = 0.0) -> LoadMeter:
    """As if others had used that much of the processors since ever."""
    told = iter(range(1, 10**9))

    def cpu() -> tuple[float, float]:
        everything = 100.0 * next(told)
        return everything * cpu_percent / 100.0, everything

    return LoadMeter(cpu=cpu, gpus=lambda: ())


def a_master(world: World, tasks: Sequence[Task], *, clock: Callable[[], float], **changes: Any) -> TaskMaster:
    config = RealmConfig()
    told: dict[str, Any] = {
        "meter": an_idle_meter(),
        "hosts": Hosts(world, config, ask=lambda host: Answer(device="cpu")),
        "config": config,
        "tasks": lambda rules, states: tasks,
        "clock": clock,
    }
    return TaskMaster(world=world, **(told | changes))


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE_SECONDS
    while not true():
        assert time.monotonic() < end, "it does not come about"
        time.sleep(0.01)


def finish(master: TaskMaster) -> None:
    """Tick until nothing runs."""

    def nothing_runs() -> bool:
        master.tick()
        return not master.running

    until(nothing_runs)
