"""The weaver's verbs: mend (start what does not run), status, stop."""

from __future__ import annotations

import errno
import socket
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from realm.config import RealmConfig, reached_at
from realm.weaver import WeaverError, coming_up, kept_down, last_lines, orphans, service_lock, status_of, supervisord
from realm.weaver.services import TAVERN, WAITED_FOR, Service, services
from realm.weaver.supervisord import Loom, ServiceState
from realm.web import identity
from realm.world import World

ANSWER_SECONDS = 60.0
STUCK_SECONDS = 10.0
DOWN_SECONDS = 3.0
"""Longer than the Tavern is down while somebody else restarts it."""
STATUS_SECONDS = 3.0
_ASK_SECONDS = 2.0
_POLL_SECONDS = 0.05


@dataclass(frozen=True, kw_only=True)
class Mended:
    started: list[str]
    ended_orphans: list[str]
    not_started: dict[str, str]
    """Services whose port is taken, with a sentence that names the taker, or that did not come up, with what they
    said last."""
    adopted: list[str] = field(default_factory=list)
    """They lived on without their supervisord, and go on."""


def address(config: RealmConfig) -> str:
    """Of the pages, from this machine."""
    reached = reached_at(config.bind)
    host = f"[{reached}]" if ":" in reached else reached
    return f"http://{host}:{config.port}/"


def mend(world: World, config: RealmConfig, *, prepare: Callable[[], None]) -> Mended:
    """Make every service run, and return when they do. `prepare` runs before a first service starts.

    Safe to run at any time and from several places at once: one supervisord a world. Raises WeaverError.
    """
    revived = revive(world, config, prepare=prepare)
    running = revived.running
    kept_down.forget(world)
    states = running.states()
    wanted = [service for service in services(config, world) if not states[service.name].runs]
    taken = {
        service.name: why
        for service in wanted
        if service.port and service.name not in revived.adopted and (why := why_taken(service))
    }
    started = [service.name for service in wanted if service.name not in taken]
    for name in taken:
        running.stop(name)
    if TAVERN in taken:
        raise WeaverError(taken[TAVERN])
    _start(running, (name for name in started if name in WAITED_FOR))
    try:
        is_old = TAVERN not in started or TAVERN in revived.adopted
        if is_old and not _answers_within(world, config, _patience_seconds(states[TAVERN])):
            running.restart(TAVERN)
            started.append(TAVERN)
        _wait_for_tavern(world, config, running)
    finally:
        _start(running, (name for name in started if name not in WAITED_FOR))
    failed = coming_up.wait_for(world, running, started)
    return Mended(
        started=[name for name in started if name not in failed and name not in revived.adopted],
        ended_orphans=revived.ended,
        not_started=taken | failed,
        adopted=revived.adopted,
    )


@dataclass(frozen=True, kw_only=True)
class Revived:
    running: Loom
    anew: bool
    """Whether none lived before."""
    ended: list[str]
    adopted: list[str]


def revive(world: World, config: RealmConfig, *, prepare: Callable[[], None] = lambda: None) -> Revived:
    """A supervisord that lives, with no service started by this. Raises WeaverError.

    Services that outlived a former one are adopted when they are started; those of an older release are ended.
    """
    with supervisord.lock_unless_alive(world) as lock:
        if lock is None:
            return Revived(running=Loom(world), anew=False, ended=[], adopted=[])
        _refuse_systemd(_living(world, config))
        ended = orphans.end(world, services(config, world), spare=lambda: frozenset(_living(world, config).values()))
        living = _living(world, config)
        if TAVERN not in living:
            _require_free_port(config)
        process = supervisord.start(world, config, lock)
        try:
            prepare()
            running = supervisord.wait_for(world, process)
        except BaseException:
            process.terminate()
            process.wait()
            raise
    return Revived(running=running, anew=True, ended=ended, adopted=list(living))


def _refuse_systemd(living: dict[str, int]) -> None:
    for name, pid in living.items():
        if service_lock.run_by(pid) == service_lock.SYSTEMD:
            raise WeaverError(
                f"{name} is process {pid}, which systemd runs: the services of this world are started and stopped by "
                f"`systemctl`, see `manage.py weave --systemd`"
            )


def _living(world: World, config: RealmConfig) -> dict[str, int]:
    """The process of each service that holds its lock."""
    found = {service.name: service_lock.holder(world, service.name) for service in services(config, world)}
    return {name: pid for name, pid in found.items() if pid is not None}


def _start(running: Loom, names: Iterable[str]) -> None:
    for name in names:
        running.start(name)


def status(world: World, config: RealmConfig) -> list[ServiceState]:
    """Every service, in the order of starting; without a supervisord, orphans show as ORPHANED."""
    with supervisord.lock_unless_alive(world, seconds=STATUS_SECONDS) as lock:
        if lock is None:
            states = Loom(world, seconds=STATUS_SECONDS).states()
            return [status_of.supervised(world, states[service.name]) for service in services(config, world)]
        found = orphans.find(world)
    return [status_of.alone(world, service.name, found.get(service.name)) for service in services(config, world)]


def stop(world: World, config: RealmConfig) -> list[str]:
    """Stop all, each with its time to save; returns the names of what ran. Nothing runs when this returns."""
    ran: list[str] = []
    with supervisord.lock_unless_alive(world) as lock:
        if lock is None:
            running = Loom(world)
            ran = [name for name, state in running.states().items() if state.pid]
            running.shut_down()
        else:
            _refuse_systemd(_living(world, config))
            ran = orphans.end(world, services(config, world))
    timeout_seconds = STUCK_SECONDS + sum(service.stop_seconds for service in services(config, world))
    with supervisord.lock(world, seconds=timeout_seconds, unless=lambda: False):
        ran += [name for name in orphans.end(world, services(config, world)) if name not in ran]
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


def _patience_seconds(state: ServiceState) -> float:
    """How long one that does not answer is waited for: what somebody else has just started is still on its way."""
    if status_of.unless_frozen(state).state == "FROZEN":
        return STUCK_SECONDS
    uptime = ANSWER_SECONDS if state.uptime_seconds is None else state.uptime_seconds
    return max(STUCK_SECONDS, ANSWER_SECONDS - uptime)


def _wait_for_tavern(world: World, config: RealmConfig, running: Loom) -> None:
    end, up_at = time.monotonic() + ANSWER_SECONDS, time.monotonic()
    while not _answers(world, config):
        state, now = running.states()[TAVERN].state, time.monotonic()
        if state not in ("EXITED", "STOPPED"):
            up_at = now
        if state == "FATAL" or now > min(end, up_at + DOWN_SECONDS):
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
    return "\n".join([*last_lines.of(world, TAVERN), f"(the end of {path})"])
