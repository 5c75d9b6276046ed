"""What is told of one service: by supervisord, by the guardian, and by the kernel."""

from __future__ import annotations

import time
from dataclasses import replace

import psutil

from realm.weaver import guarded, kept_down, last_lines, service_lock
from realm.weaver.services import GUARDIAN
from realm.weaver.supervisord import ServiceState
from realm.world import World


def supervised(world: World, state: ServiceState) -> ServiceState:
    """Of one whose supervisord lives, which may know only of a stand-in of the service."""
    pid = service_lock.holder(world, state.name)
    if pid and state.pid and pid != state.pid:
        state = replace(state, pid=pid, uptime_seconds=_uptime_seconds(pid))
    return _judged(world, unless_frozen(state))


def alone(world: World, name: str, found: list[psutil.Process] | None) -> ServiceState:
    """Of one that has no supervisord."""
    if not found:
        return ServiceState(name=name, state="STOPPED", pid=None, uptime_seconds=None)
    pid = service_lock.holder(world, name) or found[0].pid
    if service_lock.run_by(pid) == service_lock.SYSTEMD:
        running = ServiceState(name=name, state="RUNNING", pid=pid, uptime_seconds=_uptime_seconds(pid))
        return unless_frozen(replace(running, run_by=service_lock.SYSTEMD))
    return ServiceState(name=name, state="ORPHANED", pid=pid, uptime_seconds=None)


def unless_frozen(state: ServiceState) -> ServiceState:
    """supervisord calls a process that was stopped by a signal RUNNING."""
    try:
        frozen = bool(state.pid) and psutil.Process(state.pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        frozen = False
    return replace(state, state="FROZEN") if frozen else state


def _judged(world: World, state: ServiceState) -> ServiceState:
    told = guarded.read(world)
    if seen := told.get(state.name):
        state = replace(state, health=seen.state, restarts=seen.restarts, why=state.why or seen.message)
    elif told and state.name == GUARDIAN:  # who speaks of the others, and spoke just now
        state = replace(state, health=guarded.UP)
    if state.state == "STOPPED" and kept_down.read(world).get(state.name) == kept_down.GAVE_UP:
        state = replace(state, state="FATAL")
    return replace(state, lines=last_lines.of(world, state.name)) if state.state in ("FATAL", "BACKOFF") else state


def _uptime_seconds(pid: int) -> int | None:
    try:
        return max(0, int(time.time() - psutil.Process(pid).create_time()))
    except psutil.Error:
        return None
