"""`python -m realm.weaver.starter SERVICE SECONDS RUN_BY WORD…`: becomes a service, or stands in for one that lives.

supervisord starts each service through this. A service outlives a supervisord that is killed; the next one's starter
finds it by its lock and then only watches it, so that nothing is interrupted and nothing runs twice. Standard library
only: it costs each start some hundredths of a second.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from realm.processes import notify
from realm.processes.log import ChildLog
from realm.weaver import service_lock
from realm.world import World

SERVICE_VARIABLE = "REALM_SERVICE"
"""Marks each service's process in its environment, so that it is known even without its supervisord."""
PINGS_FILE = "guardian.sock"
FORWARDED = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)
_ANSWERING = ("tavern", "vault")
"""Services that do, by how their names begin: realm.weaver.services takes more than the standard library."""
_ONE_HEAP = {"MALLOC_ARENA_MAX": "1"}
"""Else glibc gives threads heaps of their own, which stay when they end. Not for who computes, or starts who does."""
LAST_SECONDS = 1.0
"""Before supervisord would kill the stand-in alone: the service itself is killed."""


def main() -> None:
    service, stop_seconds, run_by, *words = sys.argv[1:]
    world = World.from_environment()
    supervisor = os.dup(1)
    # Whose group has a stopped process gets one from the kernel as its supervisord ends, and would end with it.
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    if run_by == service_lock.WEAVER:
        _write_to_log(world, service)
    while not service_lock.take(world, service):
        pid = service_lock.holder(world, service)
        if pid is None:
            continue
        if run_by != service_lock.WEAVER or service_lock.run_by(pid) != service_lock.WEAVER:
            sys.exit(f"{service} of {world.home} is {service_lock.in_words(pid)}")
        StandIn(world, service, pid, supervisor).watch(float(stop_seconds))
        return
    os.execve(sys.executable, [sys.executable, *words], environment(world, service, run_by))


def environment(world: World, service: str, run_by: str) -> dict[str, str]:
    marks = {
        SERVICE_VARIABLE: service,
        service_lock.RUN_BY_VARIABLE: run_by,
        service_lock.HELD_VARIABLE: service_lock.own_mark(world, service),
    }
    if run_by == service_lock.WEAVER:
        marks[notify.VARIABLE] = str(world.control / PINGS_FILE)
    return {**(_ONE_HEAP if service.startswith(_ANSWERING) else {}), **os.environ, **marks}


def _write_to_log(world: World, service: str) -> None:
    """A file rather than supervisord's pipe, which ends with supervisord. Nowhere, where the disk takes no file."""
    try:
        with ChildLog(world.logs / service / f"{service}.log").opened() as log:
            _become_output(log.fileno())
    except OSError:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        _become_output(nowhere)
        os.close(nowhere)


def _become_output(handle: int) -> None:
    sys.stdout.flush()
    os.dup2(handle, 1)
    os.dup2(handle, 2)


class StandIn:
    """Ends when the service ends, or its own supervisord; hands on every signal that it is sent."""

    def __init__(self, world: World, service: str, pid: int, supervisor: int) -> None:
        """`supervisor` is the pipe to it, which breaks when it ends, however early that was."""
        self._world, self._service, self._pid, self._supervisor = world, service, pid, supervisor
        self._kill_at: float | None = None

    def watch(self, stop_seconds: float) -> None:
        try:
            lives = os.pidfd_open(self._pid)
        except ProcessLookupError:
            return
        if service_lock.holder(self._world, self._service) != self._pid:
            return  # its number may be another's by now
        for number in FORWARDED:
            signal.signal(number, lambda number, _: self._forward(lives, number, stop_seconds))
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake)
        ears = select.poll()
        for handle in (lives, woken):
            ears.register(handle, select.POLLIN)
        ears.register(self._supervisor, 0)
        while True:
            rung = {handle for handle, _ in ears.poll(self._milliseconds_left())}
            if rung & {lives, self._supervisor}:
                return
            if woken in rung:
                os.read(woken, 4096)
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._kill(lives)
                self._kill_at = None

    def _forward(self, lives: int, number: int, stop_seconds: float) -> None:
        if number == signal.SIGTERM and self._kill_at is None:
            self._kill_at = time.monotonic() + max(0.0, stop_seconds - LAST_SECONDS)
        try:
            signal.pidfd_send_signal(lives, number)
        except ProcessLookupError:
            return

    def _milliseconds_left(self) -> float | None:
        return None if self._kill_at is None else max(0.0, self._kill_at - time.monotonic()) * 1000 + 1

    def _kill(self, lives: int) -> None:
        try:
            signal.pidfd_send_signal(lives, signal.SIGKILL)
        except ProcessLookupError:
            return


if __name__ == "__main__":
    main()
