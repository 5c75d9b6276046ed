"""The machines of a world and what each serves: `configs/hosts.yaml`, then the world's `hosts.yaml`, strictly read.

A machine that serves inference is an inference host: a checkpoint can be asked there.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from realm import config, host_services, strict
from realm.config import RealmConfig
from realm.host_services import INFERENCE, LOOPBACK, Service, ServiceEntry
from realm.web.forbidden_addresses import is_forbidden
from realm.world import CHECKOUT, World
from realm.yaml_files import read_yaml

DEFAULTS_FILE = CHECKOUT / "configs" / "hosts.yaml"
LONGEST_SECONDS = 3600.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_STEP = re.compile(r"0|[1-9][0-9]{0,17}")

Kind = Literal["realm", "openai"]
Role = Literal["trainer", "inference", "storage"]


class UnknownHost(LookupError):
    """One sentence for the player: which hosts there are."""


@dataclass(frozen=True, kw_only=True)
class Host:
    id: str
    """What files, requests and commands call it."""
    name: str
    """What the player reads; its id where the file has none."""
    url: str
    """Root of its inference server, without a slash at its end and without `/v1`; empty where it has none."""
    kind: Kind
    role: Role | None = None
    models_dir: Path | None = None
    """Where its models lie, on that machine."""
    services: dict[str, Service] = field(default_factory=dict)
    here: bool = False
    """Whether it is this machine."""
    device: str = ""
    trainer_local: bool = False
    evaluates: bool = False
    timeout_seconds: float = 120.0
    """The longest that a whole answer may take, and a stream's silence."""
    connect_seconds: float = 3.0
    load_seconds: float = 600.0
    models: dict[int, str] = field(default_factory=dict)
    """Of a foreign host: step to model name."""
    hero: str = ""
    """Of a foreign host: whose steps those are."""
    token_file: Path | None = None

    @property
    def infers(self) -> bool:
        """Whether it is an inference host."""
        return bool(self.url)

    @property
    def is_realm(self) -> bool:
        return self.kind == "realm"


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A host as the file has it."""

    name: str | None = None
    url: str | None = None
    host: str | None = None
    kind: Kind = "realm"
    role: Role | None = None
    models_dir: str | None = None
    services: dict[str, ServiceEntry] | None = None
    device: str = ""
    trainer_local: bool | None = None
    evaluates: bool = False
    timeout_seconds: float = Host.timeout_seconds
    connect_seconds: float = Host.connect_seconds
    load_seconds: float = Host.load_seconds
    models: dict[str, str] = field(default_factory=dict)
    hero: str | None = None
    token_file: str | None = None

    def __post_init__(self) -> None:
        for name in ("timeout_seconds", "connect_seconds", "load_seconds"):
            if not 0 < getattr(self, name) <= LONGEST_SECONDS:
                raise ValueError(f"{name}: {getattr(self, name)} is not allowed; allowed is more than 0 to 3600")
        if self.url is not None:
            _check_url(self.url)
        if self.host is not None:
            _check_machine(self.host)
        for name in ("device", "name"):
            if len(getattr(self, name) or "") > 80:
                raise ValueError(f"{name}: it is too long; allowed are 80 characters")
        if self.name is not None and not self.name.strip():
            raise ValueError("name: there is nothing in it")
        host_services.check(self.offered)
        _check_kind(self)

    @property
    def offered(self) -> dict[str, ServiceEntry]:
        """The services that it names. One that names none serves inference, and this world's own machine everything."""
        if self.services is not None:
            return self.services
        own = self.url is None and self.host is None
        return {name: ServiceEntry() for name in (host_services.NAMES if own else (INFERENCE,))}


def _check_machine(address: str) -> None:
    try:
        _check_url(f"http://[{address}]:1" if ":" in address else f"http://{address}:1")
        if urlsplit(f"http://{address}").hostname != address.lower() and ":" not in address:
            raise ValueError(address)
    except ValueError:
        raise ValueError(
            f"host: {strict.shown(address)} is no machine; allowed is a name or an address, such as 192.168.1.5"
        ) from None


def _check_url(url: str) -> None:
    allowed = "allowed is http:// or https://, a machine, a port, such as http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ValueError(f"url: {strict.shown(url)}: {error}; {allowed}") from None
    if parts.scheme not in ("http", "https") or not parts.hostname or port == 0 or not url.isascii() or " " in url:
        raise ValueError(f"url: {strict.shown(url)} is no server's address; {allowed}")
    if is_forbidden(parts.hostname):
        raise ValueError(f"url: {strict.shown(url)} is where no inference host can be; {allowed}")
    if parts.username is not None or parts.password is not None:
        raise ValueError("url: names and passwords do not belong there; put a token into token_file")
    if parts.query or parts.fragment:
        raise ValueError(f"url: {strict.shown(url)} has more than a path; {allowed}")


def _check_kind(entry: _Entry) -> None:
    if entry.kind == "realm":
        for name in ("models", "hero"):
            if getattr(entry, name):
                raise ValueError(f"{name}: only hosts of kind openai have it; a realm host knows its checkpoints")
        return
    if entry.url is None and (entry.host is None or INFERENCE not in entry.offered):
        raise ValueError("url: a host of kind openai needs one")
    if not entry.models:
        raise ValueError("models: a host of kind openai needs at least one, as {0: name of the base model}")
    for step in entry.models:
        if not _STEP.fullmatch(step):
            raise ValueError(
                f"models: {strict.shown(step)} is no step; a whole number is expected, 0 for the base model"
            )
    if len(set(entry.models.values())) < len(entry.models) or "" in entry.models.values():
        raise ValueError("models: each step needs a model name of its own")


@dataclass(frozen=True, kw_only=True)
class Registry:
    """All that the two files say: machines in their order, and what cannot be used of it."""

    machines: tuple[Host, ...]
    broken: dict[str, str]
    """Why there is no such host, by name; "" is for a file of which nothing could be read."""
    default: str | None
    """Id of the first inference host, be it a broken one."""
    named: frozenset[tuple[str, str]] = frozenset()
    """Machine and service, where the files name the service."""

    @property
    def hosts(self) -> tuple[Host, ...]:
        """The inference hosts."""
        return tuple(host for host in self.machines if host.infers)

    @property
    def trouble(self) -> str:
        """Empty where every entry can be used."""
        return " ".join(f"{sentence.rstrip('.')}." for sentence in self.broken.values())

    def find(self, name: str | None) -> Host:
        """The machine of that id, the default inference host for None; no other one stands in for a broken one.

        Raises UnknownHost, or strict.BadConfig.
        """
        name = self.default if name is None else name
        for host in self.machines:
            if host.id == name:
                return host
        told = self.broken.get(name or "") or self.broken.get("")
        if told:
            raise strict.BadConfig(told)
        raise UnknownHost(f"There is no host {strict.shown(name)}. Known: {_ids(self.machines)}.")

    def find_inference(self, name: str | None) -> Host:
        """As `find`; raises UnknownHost for a machine that serves no inference, too."""
        host = self.find(name)
        if not host.infers:
            raise UnknownHost(f"{host.id} serves no inference. Known: {_ids(self.hosts)}.")
        return host

    def offering(self, service: str) -> Host:
        """The first machine whose entry names the service, or else has it. Raises UnknownHost, or strict.BadConfig."""
        having = [host for host in self.machines if service in host.services]
        if not having:
            if self.broken:
                raise strict.BadConfig(self.trouble)
            known = ", ".join(dict.fromkeys(name for host in self.machines for name in host.services)) or "none"
            raise UnknownHost(f"There is no service {strict.shown(service)}. Known: {known}.")
        return next((host for host in having if (host.id, service) in self.named), having[0])


def _ids(hosts: tuple[Host, ...]) -> str:
    return ", ".join(host.id for host in hosts) or "none"


def read_hosts(world: World | None = None, *, oracle_port: int | None = None) -> Registry:
    """A broken entry takes away its own host alone. Raises strict.BadConfig for settings that cannot be read.

    Without arguments: the world of the environment and the port of its settings.
    """
    world = world or World.from_environment()
    settings = config.load(world)
    if oracle_port is not None:
        settings = replace(settings, oracle_port=oracle_port)
    layers, broken = _read_layers(world)
    found: dict[str, Host] = {}
    named: set[tuple[str, str]] = set()
    for name, layer in layers.items():
        try:
            entry = _entry(layer)
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


def hosts_file(world: World) -> Path:
    """The world's own: `hosts.yaml`, or `hosts.json` where there is that alone."""
    plain, json = world.home / "hosts.yaml", world.home / "hosts.json"
    return json if json.exists() and not plain.exists() else plain


@dataclass(frozen=True, kw_only=True)
class _Layer:
    """What the files say of one host."""

    where: str
    """It was spoken of last."""
    keys: Any


def _read_layers(world: World) -> tuple[dict[str, _Layer], dict[str, str]]:
    """By host, and what cannot be used of the world's file; where nothing can, the shipped hosts stay in force."""
    layers: dict[str, _Layer] = {}
    broken: dict[str, str] = {}
    for name, keys in read_yaml(DEFAULTS_FILE).items():
        _lay_over(layers, name, keys, source=str(DEFAULTS_FILE))
    try:
        said = _read_file(hosts_file(world))
    except strict.BadConfig as error:
        return layers, {"": str(error)}
    for name, keys in said.items():
        try:
            _lay_over(layers, name, keys, source=str(hosts_file(world)))
        except strict.BadConfig as error:
            broken[str(name)] = str(error)
    return layers, broken


def _read_file(path: Path) -> dict[Any, Any]:
    """By id, which may be a number such as 3090; all may stand under one key `hosts`. Raises strict.BadConfig."""
    said: dict[Any, Any] = read_yaml(path)
    if list(said) == ["hosts"] and isinstance(said["hosts"], dict):
        said = said["hosts"]
    numbers = [name for name in said if type(name) is int and name >= 0]
    if twice := next((number for number in numbers if str(number) in said), None):
        raise strict.BadConfig(f"{path}: the key {str(twice)!r} stands there twice, as a number and as a text")
    return {str(name) if name in numbers else name: keys for name, keys in said.items()}


def _lay_over(layers: dict[str, _Layer], name: Any, keys: Any, *, source: str) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise strict.BadConfig(
            f"{source}: {strict.shown(name)} is no host's name; allowed are 1 to 40 letters, digits, '-' and '_', "
            "a letter or digit first"
        )
    if keys is None:
        layers.pop(name, None)
    elif isinstance(keys, dict) and name in layers:
        layers[name] = _Layer(where=f"{source}: {name}", keys=layers[name].keys | keys)
    else:
        layers[name] = _Layer(where=f"{source}: {name}", keys=keys)


def _entry(layer: _Layer) -> _Entry:
    """Raises strict.BadConfig."""
    keys = layer.keys
    if not isinstance(keys, dict):
        raise strict.BadConfig(
            f"{layer.where}: a mapping is expected, or null to take the host away, not {strict.shown(keys)}"
        )
    models = {"models": _with_text_keys(keys["models"])} if isinstance(keys.get("models"), Mapping) else {}
    return strict.read(_Entry, keys | models, source=layer.where)


def _with_text_keys(models: Mapping[Any, Any]) -> dict[str, Any]:
    """YAML reads steps as numbers; `true` stays a mistake."""
    return {str(step): model for step, model in models.items()}


def _host(name: str, entry: _Entry, world: World, settings: RealmConfig) -> Host:
    address = entry.host or LOOPBACK
    services = host_services.services_of(address, entry.offered, settings)
    if entry.url is not None:
        root = entry.url.rstrip("/").removesuffix("/v1").rstrip("/")
        address = urlsplit(root).hostname or address if entry.host is None else address
        services |= {INFERENCE: host_services.from_url(root)}
    foreign = {} if entry.kind == "realm" else _of_foreign(entry, settings)
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
        token_file=world.secrets / entry.token_file if entry.token_file else None,
        **foreign,
    )


def _of_foreign(entry: _Entry, settings: RealmConfig) -> dict[str, Any]:
    return {
        "models": {int(step): model for step, model in entry.models.items()},
        "hero": entry.hero or settings.hero,
    }
