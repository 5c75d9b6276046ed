"""Whether services that were just started do their work."""

from __future__ import annotations

import time
from collections.abc import Sequence

from realm.weaver import guarded, last_lines
from realm.weaver.supervisord import Loom, ServiceState
from realm.world import World

MOST_SECONDS = 20.0
"""In which five fast deaths have happened."""
_POLL_SECONDS = 0.1
_LOOKED_FOR = frozenset({"STARTING", "BACKOFF"})


def wait_for(world: World, running: Loom, names: Sequence[str]) -> dict[str, str]:
    """Returns as soon as each one works or was given up: which do not work, with why and their last lines."""
    end = time.monotonic() + MOST_SECONDS
    while True:
        states, seen = running.states(), guarded.read(world)
        if time.monotonic() > end or not any(_is_open(states[name], seen.get(name)) for name in names):
            break
        time.sleep(_POLL_SECONDS)
    failed = {name: _failure(world, states[name]) for name in names if states[name].state in ("BACKOFF", "FATAL")}
    late = [name for name in names if _is_open(states[name], seen.get(name)) and name not in failed]
    return failed | {name: _late(world, states[name]) for name in late}


def _is_open(state: ServiceState, seen: guarded.Guarded | None) -> bool:
    """supervisord knows after some seconds that a service lives; the guardian may know sooner that it works."""
    works = seen is not None and seen.state == guarded.UP and seen.pid == state.pid
    return state.state in _LOOKED_FOR and not works


def _failure(world: World, state: ServiceState) -> str:
    return _with_last_lines(world, state.name, state.why or "it ended at once")


def _late(world: World, state: ServiceState) -> str:
    return _with_last_lines(world, state.name, f"it is still on its way after {MOST_SECONDS:.0f} s")


def _with_last_lines(world: World, name: str, why: str) -> str:
    said = "\n".join(f"    {line}" for line in last_lines.of(world, name))
    return f"{why}; its last lines:\n{said}" if said else why
