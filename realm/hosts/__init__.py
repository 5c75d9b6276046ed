"""The machines of a world and what each serves: `configs/hosts.yaml`, then the world's `hosts.yaml`, strictly read.

A machine that serves inference is an inference host: a checkpoint can be asked there.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from realm import config, host_services, strict
from realm.config import RealmConfig
from realm.host_services import INFERENCE, LOOPBACK
from realm.hosts.entry import Entry
from realm.hosts.files import DEFAULTS_FILE, entry_of, hosts_file, read_layers
from realm.hosts.host import ENGINES, Host, Kind, Role, Start
from realm.hosts.registry import Registry, UnknownHost
from realm.oracle import own_token
from realm.world import World

__all__ = [
    "DEFAULTS_FILE", "Host", "Kind", "Registry", "Role", "Start", "UnknownHost", "get_host", "get_service_url",
    "hosts_file", "is_trainer_local", "list_hosts", "read_hosts",
]  # fmt: skip


def read_hosts(world: World | None = None, *, oracle_port: int | None = None) -> Registry:
    """A broken entry takes away its own host alone. Raises strict.BadConfig for settings that cannot be read.

    Without arguments: the world of the environment and the port of its settings.
    """
    world = world or World.from_environment()
    settings = config.load(world)
    if oracle_port is not None:
        settings = replace(settings, oracle_port=oracle_port)
    layers, broken = read_layers(world)
    found: dict[str, Host] = {}
    named: set[tuple[str, str]] = set()
    for name, layer in layers.items():
        try:
            entry = entry_of(layer)
            found[name] = _host(name, entry, world, settings)
            named |= {(name, service) for service in entry.services or ()}
        except strict.BadConfig as error:
            broken[name] = str(error)
    candidates = [name for name in layers if name in broken or found[name].infers]
    if not candidates:
        broken[""] = f"{hosts_file(world)}: no host is left; at least one is needed"
    return Registry(
        machines=tuple(found.values()), broken=broken, default=next(iter(candidates), None), named=frozenset(named)
    )


def list_hosts(world: World | None = None, *, oracle_port: int | None = None) -> list[Host]:
    """The inference hosts that can be used, in the files' order. Raises strict.BadConfig where none is left."""
    registry = read_hosts(world, oracle_port=oracle_port)
    if not registry.hosts:
        raise strict.BadConfig(registry.trouble)
    return list(registry.hosts)


def get_host(name: str | None = None, world: World | None = None, *, oracle_port: int | None = None) -> Host:
    """The machine of that id, the default inference host for None. Raises UnknownHost, or strict.BadConfig."""
    return read_hosts(world, oracle_port=oracle_port).find(name)


def get_service_url(service: str, host: str | None = None, world: World | None = None) -> str:
    """Where `service` is: on the machine of the id `host`, or on the first whose entry names it.

    Where none names it, on the first that has it, which is this world's own. Raises UnknownHost for a service that
    nobody offers, and strict.BadConfig.
    """
    registry = read_hosts(world)
    machine = registry.offering(service) if host is None else registry.find(host)
    if service not in machine.services:
        known = ", ".join(machine.services) or "none"
        raise UnknownHost(f"{machine.id} has no service {strict.shown(service)}. Known: {known}.")
    return machine.services[service].url


def is_trainer_local(world: World | None = None) -> bool:
    """Whether the trainer works on this machine. Raises strict.BadConfig.

    It is the machine of the role `trainer`, or where none has it, this world's own.
    """
    machines = read_hosts(world).machines
    if trainers := [host for host in machines if host.role == "trainer"]:
        return any(host.here for host in trainers)
    own = [host for host in machines if host.here]
    return not own or any(host.trainer_local for host in own)


def _host(name: str, entry: Entry, world: World, settings: RealmConfig) -> Host:
    address = entry.host or LOOPBACK
    services = host_services.services_of(address, entry.offered, settings)
    if entry.url is not None:
        root = entry.url.rstrip("/").removesuffix("/v1").rstrip("/")
        address = urlsplit(root).hostname or address if entry.host is None else address
        services |= {INFERENCE: host_services.from_url(root)}
    return Host(
        id=name,
        name=entry.name or name,
        url=services[INFERENCE].url.removesuffix("/v1") if INFERENCE in services else "",
        kind=entry.kind,
        role=entry.role,
        models_dir=Path(entry.models_dir) if entry.models_dir else None,
        services=services,
        here=host_services.is_this_machine(address),
        device=entry.device,
        trainer_local=entry.role == "trainer" if entry.trainer_local is None else entry.trainer_local,
        evaluates=entry.evaluates,
        timeout_seconds=entry.timeout_seconds,
        connect_seconds=entry.connect_seconds,
        load_seconds=entry.load_seconds,
        token_file=world.secrets / entry.token_file if entry.token_file else _own_token(entry, world, settings),
        **(_of_foreign(entry, settings) if entry.kind == "openai" else {}),
        **(_of_engine(name, entry, world) if entry.kind in ENGINES else {}),
    )


def _own_token(entry: Entry, world: World, settings: RealmConfig) -> Path | None:
    """Of this world's own inference host, where it listens beyond loopback."""
    is_own = entry.url is None and entry.host is None and entry.kind == "realm"
    return own_token.file_of(world) if is_own and settings.oracle_bind not in config.LOOPBACK else None


def _of_foreign(entry: Entry, settings: RealmConfig) -> dict[str, Any]:
    return {
        "models": {int(step): model for step, model in entry.models.items()},
        "hero": entry.hero or settings.hero,
    }


def _of_engine(name: str, entry: Entry, world: World) -> dict[str, Any]:
    return {
        "start": entry.start,
        "wish_file": world.control / "engines" / f"{name}.json" if entry.start else None,
        "derived": world.derived,
    }
