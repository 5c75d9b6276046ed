"""The machines as pages, commands and programs see them. Nobody else is asked: the vault's own process does that."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from realm.config import RealmConfig
from realm.disk import mailbox
from realm.hosts import Host, read_hosts
from realm.machine import readings, wire
from realm.machine.machine import Machine
from realm.machine.services import ServiceUse
from realm.strict import BadConfig
from realm.world import World
from watchtower.machines import day
from watchtower.machines.day import HERE, MachineHistory

FRESH_SECONDS = 45.0
"""A machine that has told nothing for longer is silent; it is asked every ten."""
STATUS_FILE = "machines.json"
LARGEST_BYTES = 4 * 1024**2
_NEVER_ASKED = "the vault's own process, which asks it, does not run"


@dataclass(frozen=True, kw_only=True)
class HostMachine:
    host: str
    """Its id in hosts.yaml; of a machine that does not stand there, `local`."""
    name: str
    here: bool
    seen_at: float | None
    """When it told this, in seconds since 1970; None where it never has."""
    fresh: bool
    trouble: str
    """Why it tells nothing now; empty where it does."""
    machine: Machine | None
    services: tuple[ServiceUse, ...] = ()
    """Of this machine: what each service of this world takes."""


def now(world: World, config: RealmConfig) -> list[HostMachine]:
    """This machine first, then the others of hosts.yaml in its order; of broken ones nothing. Waits for no machine."""
    told = _read_status(world)
    moment = time.time()
    others = [_other(host, told.get(host.id), moment) for host in other_hosts(world, config)]
    return [_here(world, config, told.get(HERE), moment), *others]


def history(world: World, host: str = "", hours: float = 24, *, points: int = day.MOST_POINTS) -> MachineHistory:
    """The last `hours` of one machine, at most a day; empty `host`: this one. Unknown hosts have an empty past."""
    is_here = not host or any(each.here for each in _hosts(world, None) if each.id == host) or host == HERE
    known = is_here or host in {each.id for each in _hosts(world, None)}
    return day.read(world, HERE if is_here else host, hours=hours if known else 0, points=points)


def other_hosts(world: World, config: RealmConfig | None) -> list[Host]:
    """Machines of hosts.yaml that are not this one."""
    return [host for host in _hosts(world, config) if not host.here]


def _hosts(world: World, config: RealmConfig | None) -> tuple[Host, ...]:
    try:
        return read_hosts(world, oracle_port=config.oracle_port if config else None).machines
    except BadConfig:
        return ()


def _here(world: World, config: RealmConfig, told: dict[str, Any] | None, moment: float) -> HostMachine:
    """Read now. Rates are means between two readings: for a first one the vault's last are taken."""
    own = next((host for host in _hosts(world, config) if host.here), None)
    machine, sampled = readings.read(world.home), _machine(told)
    if machine.cpu_percent is None and sampled and moment - sampled.time < FRESH_SECONDS:
        machine = sampled
    return HostMachine(
        host=own.id if own else "local",
        name=machine.name or (own.name if own else "local"),
        here=True,
        seen_at=machine.time,
        fresh=True,
        trouble="",
        machine=machine,
        services=_services(told, moment),
    )


def _other(host: Host, told: dict[str, Any] | None, moment: float) -> HostMachine:
    machine = _machine(told)
    seen_at = machine.time if machine else None
    fresh = seen_at is not None and abs(moment - seen_at) <= FRESH_SECONDS
    said = str((told or {}).get("trouble") or "")
    silent = "" if fresh else f"silent since {moment - seen_at:.0f} s" if seen_at else _NEVER_ASKED
    return HostMachine(
        host=host.id, name=host.name, here=False, seen_at=seen_at, fresh=fresh, trouble=said or silent, machine=machine
    )


def _machine(told: dict[str, Any] | None) -> Machine | None:
    seen_at = (told or {}).get("seen_at")
    return wire.parse((told or {}).get("machine"), now=seen_at) if isinstance(seen_at, float | int) else None


def _services(told: dict[str, Any] | None, moment: float) -> tuple[ServiceUse, ...]:
    machine = _machine(told)
    if told is None or machine is None or abs(moment - machine.time) > FRESH_SECONDS:
        return ()
    try:
        return tuple(ServiceUse(**each) for each in told.get("services") or ())
    except TypeError:  # of another release
        return ()


def _read_status(world: World) -> dict[str, dict[str, Any]]:
    try:
        value = mailbox.read_json(world.status / STATUS_FILE, largest_bytes=LARGEST_BYTES)
    except (OSError, mailbox.Damaged):
        return {}
    hosts = value.get("hosts") if isinstance(value, dict) else None
    return {key: told for key, told in (hosts or {}).items() if isinstance(told, dict)} if hosts else {}
