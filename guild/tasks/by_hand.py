"""One task now, in the foreground: whatever it waits for, but never beside another one of its resource."""

from __future__ import annotations

import signal
import subprocess
import time

from guild.errors import GuildError
from guild.tasks import children, state
from guild.tasks.registry import Task
from guild.tasks.state import LastRun, Outcome
from realm.processes.child import ChildProcess
from realm.world import World

BY = "command line"


def run_now(world: World, task: Task) -> int:
    """The exit code; the task's output goes where this process's goes. Raises GuildError if the resource is taken."""
    with children.resource_lock(world, task.resource) as lock:
        if lock is None:
            raise GuildError(f"The {task.resource} is taken by another task; `tasks status` shows which")
        started_at = time.time()
        child = ChildProcess(task.argv, env=children.environment(world), pass_fds=[lock])
    outcome: Outcome = "stopped"
    try:
        outcome = "failed" if child.wait(task.timeout_seconds) else "ok"
    except subprocess.TimeoutExpired:
        outcome = "timeout"
    finally:  # Ctrl+C, too
        child.signal_group(signal.SIGTERM)
        exit_code = child.wait_or_kill(children.GRACE_SECONDS)
        run = LastRun(
            started_at=started_at,
            ended_at=time.time(),
            outcome=outcome,
            exit_code=exit_code,
            said="its output went to the command line",
            by=BY,
        )
        state.update(world, task.name, lambda before: state.ended(before, run))
    return exit_code
