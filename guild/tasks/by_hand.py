"""One task now, in the foreground: whatever it waits for, but never beside another one of its resource."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from contextlib import suppress

from guild.errors import GuildError
from guild.tasks import children, state
from guild.tasks.registry import Task
from guild.tasks.state import LastRun, Outcome
from realm.world import CHECKOUT, World

BY = "command line"


def run_now(world: World, task: Task) -> int:
    """The exit code; the task's output goes where this process's goes. Raises GuildError if the resource is taken."""
    with children.resource_lock(world, task.resource) as lock:
        if lock is None:
            raise GuildError(f"The {task.resource} is taken by another task; `tasks status` shows which")
        started_at = time.time()
        process = subprocess.Popen(
            task.argv, cwd=CHECKOUT, env=children.environment(world), start_new_session=True, pass_fds=[lock]
        )
    outcome: Outcome = "stopped"
    try:
        process.wait(task.timeout_seconds)
        outcome = "failed" if process.returncode else "ok"
    except subprocess.TimeoutExpired:
        outcome = "timeout"
    finally:  # Ctrl+C, too
        _end(process)
        run = LastRun(
            started_at=started_at,
            ended_at=time.time(),
            outcome=outcome,
            exit_code=process.returncode,
            said="its output went to the command line",
            by=BY,
        )
        state.update(world, task.name, lambda before: state.ended(before, run))
    return int(process.returncode)


def _end(process: subprocess.Popen[bytes]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(children.GRACE_SECONDS)
