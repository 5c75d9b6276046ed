"""The realm's services as they run: state, restarts, port, what they take, and why one does not run."""

from __future__ import annotations

from dataclasses import dataclass

from realm.config import RealmConfig
from realm.machine.services import ServiceUse
from realm.weaver import spawned, verbs
from realm.weaver.services import Service
from realm.weaver.services import services as planned
from realm.weaver.supervisord import ServiceState
from realm.world import World
from watchtower import machines

WORDS = {
    "RUNNING": "runs",
    "STARTING": "starts",
    "STOPPING": "ends",
    "STOPPED": "is stopped",
    "EXITED": "has ended",
    "BACKOFF": "ended at once, and is tried again",
    "FATAL": "ended at once again and again: the weaver has given it up",
    "FROZEN": "is stopped by a signal and does nothing",
    "ORPHANED": "runs without a weaver that would start it again",
}
GOOD = frozenset({"RUNNING", "STARTING"})


@dataclass(frozen=True, kw_only=True)
class RunningService:
    name: str
    state: str
    """supervisord's word, or FROZEN or ORPHANED."""
    said: str
    """The state in words."""
    why: str
    """Why it does not run, where that is known."""
    pid: int | None
    uptime_seconds: int | None
    restarts: int | None
    """Since the weaver began; None where nobody counted."""
    address: str
    port: int | None
    cpu_percent: float | None
    """Of one processor, its children counted in."""
    memory_bytes: int | None

    @property
    def is_well(self) -> bool:
        return self.state in GOOD


def services(world: World, config: RealmConfig) -> list[RunningService]:
    """Every service of the plan, in the order of starting. Raises WeaverError."""
    states = {state.name: state for state in verbs.status(world, config)}
    uses = {use.name: use for use in machines.now(world, config)[0].services}
    starts = spawned.starts(world)
    return [_of(service, states[service.name], uses.get(service.name), starts) for service in planned(config)]


def _of(service: Service, state: ServiceState, use: ServiceUse | None, starts: dict[str, int]) -> RunningService:
    count = starts.get(service.name)
    return RunningService(
        name=service.name,
        state=state.state,
        said=WORDS.get(state.state, state.state.lower()),
        why=state.why,
        pid=state.pid,
        uptime_seconds=state.uptime_seconds,
        restarts=None if count is None else count - 1,
        address=service.address,
        port=service.port,
        cpu_percent=use.cpu_percent if use else None,
        memory_bytes=use.memory_bytes if use else None,
    )
