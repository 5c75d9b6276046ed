"""A task's process: started in a group of its own, watched, ended; and found again when its Task Master died.

It inherits the lock of its resource and holds it for as long as it lives, however the one who started it ended.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from guild.tasks.registry import RUN_PREFIX, Task
from guild.tasks.state import RunningMark
from realm.disk import locks
from realm.processes import orphans
from realm.processes.child import ChildProcess
from realm.processes.identity import identity
from realm.processes.log import ChildLog
from realm.world import World

MARK = "REALM_TASK"
"""Stands with the task's name in the environment of what the Task Master starts, so that the next one knows it."""
NICE = 10
GRACE_SECONDS = 15.0
"""Between the request to end and the kill."""
LAST_LINES = 5
LONGEST_SAID = 1000


@contextmanager
def resource_lock(world: World, resource: str) -> Iterator[int | None]:
    """A handle that holds the resource's lock, to be inherited; None while somebody else holds it."""
    with locks.opened(world.control / f"task-{resource}.lock") as handle:
        yield handle if locks.try_lock(handle) else None


def is_taken(world: World, resource: str) -> bool:
    with resource_lock(world, resource) as handle:
        return handle is None


def log_path(world: World, name: str) -> Path:
    """The player's runs share one."""
    kind = "run" if name.startswith(RUN_PREFIX) else name
    return world.logs / "tasks" / f"{kind}.log"


@dataclass(frozen=True)
class Ended:
    exit_code: int | None
    """None where it was not our own child."""


class Child:
    """One that this process started."""

    def __init__(self, child: ChildProcess, log: ChildLog) -> None:
        self._child, self._log = child, log
        self.process = psutil.Process(child.pid)

    @classmethod
    def start(cls, world: World, task: Task, lock: int) -> Child:
        """Raises OSError."""
        log = ChildLog(log_path(world, task.name))
        env = environment(world) | {MARK: task.name}
        child = cls(ChildProcess.logged(task.argv, log, env=env, pass_fds=[lock]), log)
        with suppress(psutil.Error, OSError):  # it may have ended already
            child.process.nice(NICE)
        return child

    def poll(self) -> Ended | None:
        """None while it runs. What it left in its group is ended with it."""
        return None if self._child.alive else Ended(self._child.reap())

    def terminate(self) -> None:
        self._child.signal_group(signal.SIGTERM)

    def kill(self) -> None:
        self._child.kill()

    def said(self) -> str:
        return last_words(self._log)


class Orphan:
    """One that a Task Master started which is gone."""

    def __init__(self, process: psutil.Process, log: ChildLog) -> None:
        self.process, self._log = process, log

    def poll(self) -> Ended | None:
        return None if orphans.lives(self.process) else Ended(None)

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if orphans.lives(self.process):
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def said(self) -> str:
        return last_words(self._log)


def last_words(log: ChildLog) -> str:
    return log.last_lines(LAST_LINES)[-LONGEST_SAID:]


def find_orphans(world: World) -> dict[str, psutil.Process]:
    """By task: the processes that a Task Master of this world started. Only to be asked while none lives."""
    return {name: process for process, name in orphans.find(world, MARK) if _leads_its_group(process)}


def _leads_its_group(process: psutil.Process) -> bool:
    """What a task started itself is left to it."""
    try:
        return os.getpgid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def environment(world: World) -> dict[str, str]:
    return {**os.environ, "REALM_HOME": str(world.home), "PYTHONUNBUFFERED": "1"}


def create_time(process: psutil.Process) -> float:
    """0 for a process that is gone already."""
    try:
        return float(process.create_time())
    except psutil.Error:
        return 0.0


def mark_of(process: psutil.Process, started_at: float) -> RunningMark:
    created = create_time(process)
    try:
        told = identity(process.pid)
    except psutil.Error:
        told = ""
    return RunningMark(pid=process.pid, create_time=created, started_at=started_at, identity=told)


def find_process(pid: int, created: float, told: str = "") -> psutil.Process | None:
    """The process of that number, if it is still the same one: by its identity, or where none was told by its time."""
    try:
        process = psutil.Process(pid)
        is_same = identity(pid) == told if told else abs(process.create_time() - created) < 1.0
        return process if is_same and orphans.lives(process) else None
    except psutil.Error:
        return None
