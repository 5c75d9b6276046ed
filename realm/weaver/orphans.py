"""Services that outlived their supervisord (`kill -9`): found by the mark in their environment, ended cleanly."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Set

import psutil

from realm.processes import orphans
from realm.weaver.services import Service
from realm.weaver.starter import SERVICE_VARIABLE
from realm.world import World

FORMER_SECONDS = 10


def find(world: World) -> dict[str, list[psutil.Process]]:
    """By service. Only to be asked while no supervisord lives: then every marked process is an orphan.

    A service's own children carry its mark too; they are left to it.
    """
    marked = {process.pid: (process, name) for process, name in orphans.find(world, SERVICE_VARIABLE)}
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found: dict[str, list[psutil.Process]] = {}
    for pid, (process, name) in marked.items():
        if pid not in own and _parent(process) not in marked:
            found.setdefault(name, []).append(process)
    return found


def end(world: World, ordered: tuple[Service, ...], *, spare: Callable[[], Set[int]] = frozenset) -> list[str]:
    """End every orphan but those processes, the last started first, with its time to save; the services' names.

    A service that is no longer ordered is ended first. `spare` is asked after the search: whatever was found has its
    lock by then, also one that a supervisor had just begun as it was killed.
    """
    found = find(world)
    spared = spare()
    ended = []
    former = [Service(name=name, arguments=(), stop_seconds=FORMER_SECONDS) for name in found.keys() - _names(ordered)]
    for service in (*former, *reversed(ordered)):
        processes = [process for process in found.get(service.name, []) if process.pid not in spared]
        for process in processes:
            _signal(process, "terminate")
            _signal(process, "resume")  # one that is stopped hears nothing
        _, stubborn = psutil.wait_procs(processes, timeout=service.stop_seconds)
        for process in stubborn:
            _signal(process, "kill")
        psutil.wait_procs(stubborn, timeout=service.stop_seconds)
        ended += [service.name] if processes else []
    return ended


def _names(ordered: tuple[Service, ...]) -> set[str]:
    return {service.name for service in ordered}


def _parent(process: psutil.Process) -> int | None:
    try:
        return process.ppid()
    except psutil.Error:
        return None


def _signal(process: psutil.Process, verb: str) -> None:
    with contextlib.suppress(psutil.NoSuchProcess):
        getattr(process, verb)()
