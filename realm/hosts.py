"""The inference hosts of a world: `configs/hosts.yaml`, then the world's `hosts.yaml`, strictly read."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from realm import config, strict
from realm.web.forbidden_addresses import is_forbidden
from realm.world import CHECKOUT, World
from realm.yaml_files import read_yaml

DEFAULTS_FILE = CHECKOUT / "configs" / "hosts.yaml"
SERVICES = ("oracle",)
LONGEST_SECONDS = 3600.0
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
_STEP = re.compile(r"0|[1-9][0-9]{0,17}")

Kind = Literal["realm", "openai"]


class UnknownHost(LookupError):
    """One sentence for the player: which hosts there are."""


@dataclass(frozen=True, kw_only=True)
class Host:
    name: str
    url: str
    """Root of the server, without a slash at its end and without `/v1`."""
    kind: Kind
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
    def is_realm(self) -> bool:
        return self.kind == "realm"


@dataclass(frozen=True, kw_only=True)
class _Entry:
    """A host as the file has it."""

    url: str | None = None
    kind: Kind
    device: str = ""
    trainer_local: bool = False
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
        if len(self.device) > 80:
            raise ValueError("device: it is too long; allowed are 80 characters")
        _check_kind(self)


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
    if entry.url is None:
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
    """All that the two files say: hosts in their order, the default one first, and what cannot be used of it."""

    hosts: tuple[Host, ...]
    broken: dict[str, str]
    """Why there is no such host, by name; "" is for a file of which nothing could be read."""
    default: str | None
    """Name of the first host, be it a broken one."""

    @property
    def trouble(self) -> str:
        """Empty where every entry can be used."""
        return " ".join(f"{sentence.rstrip('.')}." for sentence in self.broken.values())

    def find(self, name: str | None) -> Host:
        """No other host stands in for a broken one. Raises UnknownHost, or strict.BadConfig."""
        name = self.default if name is None else name
        for host in self.hosts:
            if host.name == name:
                return host
        told = self.broken.get(name or "") or self.broken.get("")
        if told:
            raise strict.BadConfig(told)
        known = ", ".join(host.name for host in self.hosts) or "none"
        raise UnknownHost(f"There is no host {strict.shown(name)}. Known: {known}.")


def read_hosts(world: World | None = None, *, oracle_port: int | None = None) -> Registry:
    """A broken entry takes away its own host alone. Raises strict.BadConfig for settings that cannot be read.

    Without arguments: the world of the environment and the port of its settings.
    """
    world = world or World.from_environment()
    settings = config.load(world)
    port = settings.oracle_port if oracle_port is None else oracle_port
    layers, broken = _read_layers(world)
    found = []
    for name, layer in layers.items():
        try:
            found.append(_host(name, _entry(layer), world, port=port, hero=settings.hero))
        except strict.BadConfig as error:
            broken[name] = str(error)
    if not layers:
        broken[""] = f"{hosts_file(world)}: no host is left; at least one is needed"
    return Registry(hosts=tuple(found), broken=broken, default=next(iter(layers), None))


def list_hosts(world: World | None = None, *, oracle_port: int | None = None) -> list[Host]:
    """Those whose entries can be used, in the order of the files. Raises strict.BadConfig where none is left."""
    registry = read_hosts(world, oracle_port=oracle_port)
    if not registry.hosts:
        raise strict.BadConfig(registry.trouble)
    return list(registry.hosts)


def get_host(name: str | None = None, world: World | None = None, *, oracle_port: int | None = None) -> Host:
    """The default host for None. Raises UnknownHost, or strict.BadConfig."""
    return read_hosts(world, oracle_port=oracle_port).find(name)


def get_service_url(name: str | None = None, service: str = "oracle", world: World | None = None) -> str:
    """Raises UnknownHost for a service that no host offers, too."""
    if service not in SERVICES:
        raise UnknownHost(f"There is no service {strict.shown(service)}. Known: {', '.join(SERVICES)}.")
    return get_host(name, world).url


def is_trainer_local(name: str | None = None, world: World | None = None) -> bool:
    return get_host(name, world).trainer_local


def hosts_file(world: World) -> Path:
    return world.home / "hosts.yaml"


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
        said = read_yaml(hosts_file(world))
    except strict.BadConfig as error:
        return layers, {"": str(error)}
    for name, keys in said.items():
        try:
            _lay_over(layers, name, keys, source=str(hosts_file(world)))
        except strict.BadConfig as error:
            broken[str(name)] = str(error)
    return layers, broken


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


def _host(name: str, entry: _Entry, world: World, *, port: int, hero: str) -> Host:
    url = (entry.url or f"http://127.0.0.1:{port}").rstrip("/").removesuffix("/v1").rstrip("/")
    host = Host(
        name=name,
        url=url,
        kind=entry.kind,
        device=entry.device,
        trainer_local=entry.trainer_local,
        evaluates=entry.evaluates,
        timeout_seconds=entry.timeout_seconds,
        connect_seconds=entry.connect_seconds,
        load_seconds=entry.load_seconds,
        token_file=world.secrets / entry.token_file if entry.token_file else None,
    )
    if host.is_realm:
        return host
    return replace(
        host, models={int(step): model for step, model in entry.models.items()}, hero=entry.hero or hero
    )  # fmt: skip
