"""The weaver's verbs: mend (start what does not run), status, stop."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import psutil

from realm.config import RealmConfig
from realm.weaver import WeaverError, orphans, supervisord
from realm.weaver.services import TAVERN, WAITED_FOR, Service, services
from realm.weaver.supervisord import Loom, ServiceState
from realm.web import identity
from realm.world import World

ANSWER_SECONDS = 60.0
STUCK_SECONDS = 10.0
STATUS_SECONDS = 3.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.05
_LOG_LINES = 5


@dataclass(frozen=True, kw_only=True)
class Mended:
    started: list[str]
    ended_orphans: list[str]
    not_started: dict[str, str]
    """Services whose port is taken, with a sentence that names the taker."""


def address(config: RealmConfig) -> str:
    host = f"[{config.bind}]" if ":" in config.bind else config.bind
    return f"http://{host}:{config.port}/"


def mend(world: World, config: RealmConfig, *, prepare: Callable[[], None]) -> Mended:
    """Make every service run, and return when the Tavern answers. `prepare` runs before a first service starts.

    Safe to run at any time and from several places at once: one supervisord a world.
    """
    ended: list[str] = []
    with supervisord.lock_unless_alive(world) as lock:
        if lock is None:
            running = Loom(world)
        else:
            ended = orphans.end(world, services(config))
            _require_free_port(config)
            process = supervisord.start(world, config, lock)
            try:
                prepare()
                running = supervisord.wait_for(world, process)
            except BaseException:
                process.terminate()
                process.wait()
                raise
    states = running.states()
    wanted = [service for service in services(config) if not states[service.name].runs]
    taken = {service.name: why for service in wanted if service.port and (why := why_taken(service))}
    started = [service.name for service in wanted if service.name not in taken]
    for name in taken:
        running.stop(name)
    if TAVERN in taken:
        raise WeaverError(taken[TAVERN])
    _start(running, (name for name in started if name in WAITED_FOR))
    try:
        if TAVERN not in started and not _answers_within(world, config, STUCK_SECONDS):
            running.restart(TAVERN)
            started.append(TAVERN)
        _wait_for_tavern(world, config, running)
    finally:
        _start(running, (name for name in started if name not in WAITED_FOR))
    return Mended(started=started, ended_orphans=ended, not_started=taken)


def _start(running: Loom, names: Iterable[str]) -> None:
    for name in names:
        running.start(name)


def status(world: World, config: RealmConfig) -> list[ServiceState]:
    """Every service, in the order of starting; without a supervisord, orphans show as ORPHANED."""
    with supervisord.lock_unless_alive(world, seconds=STATUS_SECONDS) as lock:
        if lock is None:
            states = Loom(world, seconds=STATUS_SECONDS).states()
            return [_unless_frozen(states[service.name]) for service in services(config)]
        found = orphans.find(world)
    return [_without_loom(service.name, found.get(service.name)) for service in services(config)]


def _unless_frozen(state: ServiceState) -> ServiceState:
    """supervisord calls a process that was stopped by a signal RUNNING."""
    try:
        frozen = bool(state.pid) and psutil.Process(state.pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        frozen = False
    return replace(state, state="FROZEN") if frozen else state


def _without_loom(name: str, found: list[psutil.Process] | None) -> ServiceState:
    if not found:
        return ServiceState(name=name, state="STOPPED", pid=None, uptime_seconds=None)
    return ServiceState(name=name, state="ORPHANED", pid=found[0].pid, uptime_seconds=None)


def stop(world: World, config: RealmConfig) -> list[str]:
    """Stop all, each with its time to save; returns the names of what ran. Nothing runs when this returns."""
    ran: list[str] = []
    with supervisord.lock_unless_alive(world) as lock:
        if lock is None:
            running = Loom(world)
            ran = [name for name, state in running.states().items() if state.pid]
            running.shut_down()
    timeout_seconds = STUCK_SECONDS + sum(service.stop_seconds for service in services(config))
    with supervisord.lock(world, seconds=timeout_seconds, unless=lambda: False):
        ran += orphans.end(world, services(config))
        supervisord.forget_socket(world)
    return ran


def _require_free_port(config: RealmConfig) -> None:
    tavern = next(service for service in services(config) if service.name == TAVERN)
    if taken := why_taken(tavern):
        raise WeaverError(taken)


def why_taken(service: Service) -> str:
    """Why a service that does not run cannot have its port, and what to do; empty where it can."""
    assert service.port is not None
    address, port = service.address, service.port
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                return f"cannot listen on {address} port {port}: {error.strerror}"
            taker = identity.taker(address, port, seconds=_ASK_SECONDS)
            return f"port {port} of {address} is taken by {taker}; end it, or set {service.port_variable}"
    return ""


def _wait_for_tavern(world: World, config: RealmConfig, running: Loom) -> None:
    end = time.monotonic() + ANSWER_SECONDS
    while not _answers(world, config):
        state = running.states()[TAVERN].state
        if state in ("FATAL", "EXITED", "STOPPED") or time.monotonic() > end:
            raise WeaverError(f"the Tavern does not answer at {address(config)} ({state}):\n{_log_end(world)}")
        time.sleep(_POLL_SECONDS)


def _answers_within(world: World, config: RealmConfig, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not _answers(world, config):
        if time.monotonic() > end:
            return False
        time.sleep(_POLL_SECONDS)
    return True


def _answers(world: World, config: RealmConfig) -> bool:
    return not identity.trouble(world, TAVERN, config.bind, config.port, seconds=STUCK_SECONDS)


def _log_end(world: World) -> str:
    path = world.logs / TAVERN / f"{TAVERN}.log"
    try:
        lines = path.read_text(errors="replace").splitlines()
    except FileNotFoundError:
        return f"{path} does not exist"
    return "\n".join([*lines[-_LOG_LINES:], f"(the end of {path})"])
