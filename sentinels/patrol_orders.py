"""A patrol that somebody wants now: performed by the Task Master, in a process of its own."""

from __future__ import annotations

from guild.tasks import run_requests
from guild.tasks import state as task_states
from guild.tasks.only_master import master_alive
from realm.world import World

TASK = "health_check"


def ask(world: World, *, by: str) -> str:
    """One sentence: what comes of it. Raises OSError."""
    if is_under_way(world):
        return "A patrol is under way already."
    run_requests.send(world, TASK, by=by)
    if master_alive(world):
        return "Asked: a patrol begins within some seconds."
    return "Asked, and no Task Master lives to begin it: `manage.py patrol` looks at once."


def is_under_way(world: World) -> bool:
    """Whether one is performed, or was asked for and is not begun."""
    is_running = task_states.read(world).of(TASK).running is not None and master_alive(world)
    return is_running or TASK in run_requests.waiting(world)
