"""The guardian's loop: each second it hears the services, looks at their processes, and has what is stuck ended.

supervisord starts again what ends. This process never starts a service itself, so there are no two of one.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any

from realm.disk import durable
from realm.processes import notify
from realm.processes.log import ChildLog
from realm.weaver import guarded, kept_down, last_lines, service_lock
from realm.weaver.services import GUARDIAN, Service
from realm.weaver.starter import PINGS_FILE
from realm.world import World
from sentinels.guardian import processes
from sentinels.guardian.events import EventFile, Kind
from sentinels.guardian.pings import Pings
from sentinels.guardian.probe import Probe
from sentinels.guardian.processes import Sight
from sentinels.guardian.watch import Watch
from sentinels.guardian.weaver import WeaverCare
from sentinels.guardian.weaver_log import Ended, WeaverLog

log = logging.getLogger(__name__)

TICK_SECONDS = 1.0
SLEPT_SECONDS = 5.0
"""Between two ticks: then this process, or the machine, did not run, and neither need the others have."""
GRACE_SECONDS = 10.0
"""In which a stuck service may end; one that goes on meanwhile has its time to save."""
STATUS_SECONDS = 4.0
LOGS_SECONDS = 60.0
FAST_DEATHS, FAST_SECONDS = 5, 60.0
"""So many within that time stop a service; one that worked and was killed is started again however often."""

Signal = Callable[[int, int], None]


class Guardian:
    def __init__(
        self,
        world: World,
        ordered: Sequence[Service],
        *,
        weaver: WeaverCare | None = None,
        probe: Callable[[Service], Probe] = Probe,
        give_up: Callable[[str], None] = lambda name: None,
        holder: Callable[[World, str], int | None] = service_lock.holder,
        sight: Callable[[int], Sight | None] = processes.look,
        send: Signal | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`weaver` is left out where no supervisord is to be kept alive."""
        self._world, self._clock = world, clock
        self._weaver, self._give_up = weaver, give_up
        self._holder, self._sight, self._send = holder, sight, send or _signal_group
        self._services = {service.name: service for service in ordered if service.name != GUARDIAN}
        self._watches = {name: Watch(name, service.busy_seconds) for name, service in self._services.items()}
        self._probes = {name: probe(it) for name, it in self._services.items() if it.port and it.is_probed}
        self._told_to_end: dict[str, tuple[int, float]] = {}
        """Which process of a service, and when."""
        self._unhealed: set[str] = set()
        self._restarts: dict[str, int] = dict.fromkeys(self._services, 0)
        self._deaths: dict[str, deque[float]] = {name: deque(maxlen=FAST_DEATHS) for name in self._services}
        self._since = dict.fromkeys(self._services, time.time())
        self._pings = Pings(world.control / PINGS_FILE)
        self._weaver_log = WeaverLog(world)
        self._events = EventFile(world)
        self._stopping = threading.Event()
        self._ticked_at = clock()
        self._told: dict[str, Any] = {}
        self._told_at = self._cut_at = -1e9

    def stop(self) -> None:
        """Ask the loop to end; safe in a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        while not self._stopping.is_set():
            self.tick()
            notify.beat()
            self._stopping.wait(TICK_SECONDS)
        self._pings.close()

    def tick(self) -> None:
        now = self._clock()
        if now - self._ticked_at > SLEPT_SECONDS:
            for watch in self._watches.values():
                watch.forgive(now)
        self._ticked_at = now
        down = kept_down.read(self._world)
        self._hear_of_deaths(now)
        self._look_at_services(now, down)
        if self._weaver and (mended := self._weaver.look(now)):
            self._tell("mended", "", mended)
        with suppress(OSError):  # a disk in trouble takes it later
            self._events.flush()
            self._write(now, down)
            self._cut_logs(now)

    def _look_at_services(self, now: float, down: dict[str, str]) -> None:
        heard = self._pings.heard()
        for name, watch in self._watches.items():
            pid = self._holder(self._world, name)
            sight = self._sight(pid) if pid else None
            if sight and sight.pid in heard:
                watch.hear(now, sight)
            before, state = watch.state, watch.look(now, sight)
            if sight and state == guarded.UP and name in self._probes:
                state = watch.doubt(self._probes[name].look(now, sight.pid))
            if state != before:
                self._since[name] = time.time()
            if sight is None:
                self._told_to_end.pop(name, None)
            elif state == guarded.STUCK or name in self._told_to_end:
                self._end(name, sight, watch.why, now)
            elif state == guarded.UP and name in self._unhealed:
                self._unhealed.discard(name)
                self._tell("recovered", name, f"{name} does its work again")

    def _end(self, name: str, sight: Sight, why: str, now: float) -> None:
        """One that is stopped is woken, so that it can save; who is not gone in time is killed."""
        pid, since = self._told_to_end.get(name, (None, now))
        if pid != sight.pid:
            self._told_to_end.pop(name, None)
            if not why:
                return  # it is another, and well
            self._told_to_end[name] = sight.pid, now
            self._unhealed.add(name)
            self._tell("stuck", name, f"{name} is stuck: {why}")
            self._send(sight.pid, signal.SIGTERM)
            self._send(sight.pid, signal.SIGCONT)
        elif now - since >= (GRACE_SECONDS if why else self._services[name].stop_seconds):
            self._send(sight.pid, signal.SIGKILL)

    def _hear_of_deaths(self, now: float) -> None:
        for ended in self._weaver_log.news():
            if ended.service in self._services:
                self._count(ended, now)

    def _count(self, ended: Ended, now: float) -> None:
        name = ended.service
        self._unhealed.add(name)
        deaths = self._deaths[name]
        if not ended.gave_up:
            self._restarts[name] += 1
            if ended.by_itself or not self._watches[name].is_ready:
                deaths.append(now)
            self._tell("restarted", name, f"{name} ended ({ended.how}) and is started again")
        too_fast = len(deaths) == FAST_DEATHS and now - deaths[0] <= FAST_SECONDS
        if ended.gave_up or too_fast:
            self._stop_trying(name)

    def _stop_trying(self, name: str) -> None:
        self._deaths[name].clear()
        if kept_down.read(self._world).get(name) == kept_down.GAVE_UP:
            return
        with suppress(OSError):
            kept_down.keep(self._world, name, kept_down.GAVE_UP)
        self._give_up(name)
        message = f"{name} ended {FAST_DEATHS} times within moments and is not started again; `weave --start {name}` is"
        self._tell("gave_up", name, message, last_lines.of(self._world, name))

    def _tell(self, kind: Kind, name: str, message: str, lines: Iterable[str] = ()) -> None:
        log.warning("%s", message, extra={"event": f"guardian_{kind}"})
        self._events.add(kind, name, message, tuple(lines))

    def _write(self, now: float, down: dict[str, str]) -> None:
        """`status/guardian.json`, where something has changed, and every STATUS_SECONDS. Raises OSError."""
        services = {name: self._of_service(name, down) for name in self._services}
        if services != self._told or now - self._told_at >= STATUS_SECONDS:
            told = {"time": time.time(), "pid": os.getpid(), "services": services}
            durable.write_json(self._world.status / guarded.STATUS_FILE, told, sync=False)
            self._told, self._told_at = services, now

    def _of_service(self, name: str, down: dict[str, str]) -> dict[str, Any]:
        watch, state = self._watches[name], self._watches[name].state
        if state == guarded.ENDED and name in down:
            state = guarded.GAVE_UP if down[name] == kept_down.GAVE_UP else guarded.STOPPED
        return {
            "state": state,
            "pid": watch.pid,
            "since": self._since[name],
            "restarts": self._restarts[name],
            "message": watch.why,
        }

    def _cut_logs(self, now: float) -> None:
        """A service that goes on for months writes into one file. Raises OSError."""
        if now - self._cut_at < LOGS_SECONDS:
            return
        self._cut_at = now
        for name in (*self._services, GUARDIAN):
            ChildLog(self._world.logs / name / f"{name}.log").cut()


def _signal_group(pid: int, number: int) -> None:
    """To a service and what is of its group; what it started in sessions of their own ends by itself."""
    with suppress(ProcessLookupError, PermissionError):
        if os.getpgid(pid) == pid:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
