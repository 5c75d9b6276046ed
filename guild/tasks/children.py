"""A task's process: started in a group of its own, watched, ended; and found again when its Task Master died.

It inherits the lock of its resource and holds it for as long as it lives, however the one who started it ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from guild.tasks.registry import RUN_PREFIX, Task
from realm.disk import locks
from realm.processes.log import ChildLog
from realm.world import CHECKOUT, World

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

    def __init__(self, process: subprocess.Popen[bytes], log: ChildLog) -> None:
        self._process, self._log = process, log
        self.process = psutil.Process(process.pid)

    @classmethod
    def start(cls, world: World, task: Task, lock: int) -> Child:
        """Raises OSError."""
        log = ChildLog(log_path(world, task.name))
        with log.opened() as output:
            process = subprocess.Popen(
                task.argv,
                cwd=CHECKOUT,
                env=environment(world) | {MARK: task.name},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                pass_fds=[lock],
            )
        child = cls(process, log)
        with suppress(psutil.Error, OSError):  # it may have ended already
            child.process.nice(NICE)
        return child

    def poll(self) -> Ended | None:
        """None while it runs. What it left in its group is ended with it."""
        if self._process.returncode is None and not _has_ended(self._process.pid):
            return None
        if self._process.returncode is None:
            self._signal(signal.SIGKILL)  # it is not reaped yet, so its number is nobody else's
        return Ended(self._process.wait())

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    def said(self) -> str:
        return self._log.last_lines(LAST_LINES)[-LONGEST_SAID:]


def _has_ended(pid: int) -> bool:
    return os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


class Orphan:
    """One that a Task Master started which is gone."""

    def __init__(self, process: psutil.Process, log: ChildLog) -> None:
        self.process, self._log = process, log

    def poll(self) -> Ended | None:
        return Ended(None) if not _lives(self.process) else None

    def terminate(self) -> None:
        self._signal(signal.SIGTERM)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if _lives(self.process):  # by its time of creation, too: another process may have its number now
            with suppress(ProcessLookupError, PermissionError):
                os.killpg(self.process.pid, number)

    def said(self) -> str:
        return self._log.last_lines(LAST_LINES)[-LONGEST_SAID:]


def _lives(process: psutil.Process) -> bool:
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def find_orphans(world: World) -> dict[str, psutil.Process]:
    """By task: the processes that a Task Master of this world started. Only to be asked while none lives."""
    found = {}
    for process in psutil.process_iter():
        name = _mark(process, world)
        if name and _leads_its_group(process) and _lives(process):
            found[name] = process
    return found


def _mark(process: psutil.Process, world: World) -> str | None:
    try:
        environ = process.environ()
    except (psutil.Error, OSError):
        return None
    return environ.get(MARK) if environ.get("REALM_HOME") == str(world.home) else None


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


def find_process(pid: int, created: float) -> psutil.Process | None:
    """The process of that number, if it is still the same one."""
    try:
        process = psutil.Process(pid)
        return process if abs(process.create_time() - created) < 1.0 and _lives(process) else None
    except psutil.Error:
        return None
