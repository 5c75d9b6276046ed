"""Settings of one world: `configs/realm.yaml`, then the world's `config.yaml`, then `REALM_*` variables.

The recipe is laid under them: its defaults, then the preset that the settings name, then the keys under `training`.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from realm import node_address, strict
from realm.databases import server_urls
from realm.strict import Bounds, Range
from realm.web import networks, origins
from realm.world import CHECKOUT, World
from realm.yaml_files import UNREADABLE, parse_yaml, read_yaml

DEFAULTS_FILE = CHECKOUT / "configs" / "realm.yaml"
SHIPPED_PRESETS = CHECKOUT / "configs" / "presets"
_PRESET = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
"""It is the name of a file."""
_HERO = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,39}")
"""It is the name of a folder."""
_SKILL = re.compile(r"[a-z][a-z0-9]{0,39}")
"""It is the name of a service and of its folder of logs."""
_METRIC = re.compile(r"levels|val_loss|train_loss|accuracy|[a-z][a-z0-9]*/.+")
"""Of a champion; guild.champion.rule reads it."""
Port = Annotated[int, Range(1, 65535, "is no port")]
LogLevel = Literal["debug", "info", "warning", "error"]
LOG_LEVELS: tuple[str, ...] = get_args(LogLevel)
OWN_BASES = "models/base/"
"""How the world's own base models begin in settings; no hub id has two slashes."""
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


def is_hero_name(name: str) -> bool:
    return bool(_HERO.fullmatch(name))


@dataclass(frozen=True, kw_only=True)
class CopiesRules:
    """How many copies there shall be of a checkpoint, its own in this world among them."""

    copies: Annotated[int, Range(1, 9)] = 2
    """Of each checkpoint, its own in this world among them."""
    elsewhere: Annotated[int, Range(0, 8)] = 1
    """Of them on other machines."""
    verified_days: Annotated[int, Range(1, 3650)] = 30
    """A copy counts for so long since every byte of it was read."""
    which: Literal["kept", "champion", "protected"] = "kept"
    """Which checkpoints they are made of; `protected` are the champion and those that the player protects."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if self.elsewhere > self.copies:
            raise ValueError(f"elsewhere: {self.elsewhere} of {self.copies} copies cannot be")


@dataclass(frozen=True, kw_only=True)
class RealmConfig:
    bind: str = "127.0.0.1"
    """Address on which the pages are served; beyond loopback they want a login."""
    port: Port = 8888
    """Of the Tavern: pages, API and WebSocket."""
    web_ports: tuple[int, ...] = ()
    """Further ports, on each of which a process of its own serves the same pages, for a proxy that spreads browsers."""
    vault_port: Port = 8767
    """Of the vault's own API."""
    vault_bind: str = "127.0.0.1"
    """Where the vault's own process listens; beyond loopback it lets nobody in without a token."""
    oracle_port: Port = 8765
    """Of the inference host."""
    zone_port: Port = 8768
    """Of the zone that this machine is for others."""
    oracle_bind: str = "127.0.0.1"
    """Where the inference host listens; beyond loopback it lets nobody in without a token."""
    public_origins: tuple[str, ...] = ()
    """Exact origins, such as `https://realm.example.org`, under which the pages are opened beside loopback's."""
    trusted_proxies: tuple[str, ...] = ()
    """Addresses or networks of reverse proxies whose word on who asks, and by which scheme, is taken."""
    allowed_origins: tuple[str, ...] = ()
    """Exact origins of other programs' pages that may ask the API from a browser (CORS); none by default."""
    hero: str = "DIO"
    """Whose checkpoints are trained, `model_name` elsewhere; another name begins another hero."""
    base_model: str | None = None
    """Hub id or folder of a causal LM; None: the embedded hero. `models/base/…` lies in the world."""
    autoplay: bool = True
    """Whether quests are forged while the queue is empty."""
    show_all_places: bool = False
    """Whether the rail shows each place from the start; otherwise a place appears once it has something to say."""
    log_level: LogLevel = "info"
    """What services log from on; `manage.py logs SERVICE --set-level` changes it while one runs."""
    keep_checkpoints: Annotated[int, Bounds(2)] = 30
    """Newest checkpoints of a hero that stay, with the champion and the best by each loss; older ones make room."""
    champion_metric: str = "levels"
    """What crowns a champion: `levels` held, then the loss; `val_loss`, `train_loss`, `accuracy`, or a set's name."""
    checkpoint_budget_gb: float = 20.0
    """GB (10^9 bytes) of a hero's checkpoints; beyond it older ones make room, save the two newest and the best."""
    copies: CopiesRules = field(default_factory=CopiesRules)
    """Of checkpoints, over the strongholds; made by `manage.py vault copies --apply` and the Task Master."""
    keep_forged_quests: Annotated[int, Bounds(0)] = 50
    """Completed quests of the guild's own forge whose files stay; they can be forged again from their seed."""
    sparring_quotes_mistakes: bool = True
    """Whether a sparring corrects each mistake once with the wrong answer before it, beside its plain problem."""
    memory_budget_gb: float | None = None
    """GB (10^9 bytes) that training may take of the GPU, or of the machine without one; None: nine tenths of it."""
    oracle_memory_gb: float = 6.0
    """GB (10^9 bytes) of weights that the inference host holds; beyond it idle models are unloaded."""
    price_per_kwh: float | None = None
    """Of electricity, in whichever currency; None: no price is shown beside the energy of battles."""
    database_url: str | None = field(default=None, repr=False)
    """Of a PostgreSQL server, or another SQLite file; None: the world's own file. It may hold a password."""
    redis_url: str | None = field(default=None, repr=False)
    """Of the Redis server by which the arena rings the processes that serve the pages; it may hold a password."""
    node_address: str | None = None
    """ADDRESS:PORT of this machine, in a network of one's own, at which others join it to train (`training.nodes`)."""
    node_link_gbit: Annotated[float, Bounds(0.001, 100_000)] | None = None
    """Gbit/s between this machine and those of `training.nodes`, by which estimates say whether they are worth it."""
    preset: str | None = "standard"
    """Recipe that those under `training` are laid over; None: the recipe's defaults."""
    training: dict[str, Any] = field(default_factory=dict)
    """The recipe's keys, from `load` on with those of the preset; read by the arena as `arena.recipe.Recipe`."""
    gatekeeper: dict[str, Any] = field(default_factory=dict)
    """What quests must be like; read by the arena as `arena.gate.rules.GateRules`."""
    curriculum: dict[str, Any] = field(default_factory=dict)
    """By skill what the player wants otherwise than its file says; read as `guild.curriculum.plan.Curriculum`."""
    serve_trainers: tuple[str, ...] = ()
    """Skills whose trainers the weaver serves at their `api_url`; the realm itself needs none of them to be served."""
    bridges: tuple[Literal["tensorboard", "trackio", "wandb"], ...] = ()
    """Tools to whose files the weaver lets battles be carried while they are fought: `manage.py bridge`."""
    notices: dict[str, Any] = field(default_factory=dict)
    """Which events go to which address outside the page; read by the sentinels as `sentinels.notices.rules.Rules`."""
    tasks: dict[str, Any] = field(default_factory=dict)
    """When the Task Master does what; read by the guild as `guild.tasks.task_settings.Rules`."""
    treasury: dict[str, Any] = field(default_factory=dict)
    """Which checkpoints make room for which; read by the vault as `vault.treasury.rules.Rules`."""
    archivist: dict[str, Any] = field(default_factory=dict)
    """Which snapshots stay, and what keeps them elsewhere; read by the vault as `vault.archivist.rules.Rules`."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if self.node_address is not None:
            node_address.parse(self.node_address)
        server_urls.check(database_url=self.database_url, redis_url=self.redis_url)
        if not _METRIC.fullmatch(self.champion_metric):
            raise ValueError(
                f"champion_metric: {self.champion_metric!r} is not allowed; allowed are levels, val_loss, train_loss, "
                "accuracy, and sets such as bin/3, quest/NAME or file/NAME"
            )
        if self.log_level not in LOG_LEVELS:
            raise ValueError(
                f"log_level: {self.log_level!r} is not allowed; allowed are debug, info, warning and error"
            )
        for name in ("checkpoint_budget_gb", "oracle_memory_gb", "memory_budget_gb"):
            budget = getattr(self, name)
            if budget is not None and not 0 < budget < math.inf:
                raise ValueError(f"{name}: {budget} is no budget; allowed is more than 0")
        if self.price_per_kwh is not None and not 0 <= self.price_per_kwh < math.inf:
            raise ValueError(f"price_per_kwh: {self.price_per_kwh} is no price; allowed is 0 or more")
        for skill in self.serve_trainers:
            if not _SKILL.fullmatch(skill) or self.serve_trainers.count(skill) > 1:
                raise ValueError(
                    f"serve_trainers: {skill!r} is not allowed; allowed are skills of configs/skills, each once"
                )
        if not is_hero_name(self.hero):
            raise ValueError(
                f"hero: {self.hero!r} is no hero's name; allowed are 1 to 40 letters (A-Z, a-z), digits, '-' and '_', "
                "a letter first"
            )
        if self.base_model is not None and self.base_model.startswith("."):
            raise ValueError(f"base_model: {self.base_model!r} is a relative folder; write its whole path")
        for name in ("bind", "vault_bind", "oracle_bind"):
            if not _is_address(getattr(self, name)):
                raise ValueError(
                    f"{name}: {getattr(self, name)!r} is no address of this machine's; allowed are 127.0.0.1, 0.0.0.0 "
                    "for all, or one such as 192.168.1.5"
                )
        _check_web_ports(self.web_ports, others=(self.port, self.vault_port, self.oracle_port, self.zone_port))
        networks.networks(self.trusted_proxies)
        origins.check(self.allowed_origins, "allowed_origins")
        origins.check(self.public_origins, "public_origins")

    @property
    def needs_login(self) -> bool:
        """Whether other machines reach the pages: by the address that they listen on, or through a reverse proxy."""
        return self.bind not in LOOPBACK or bool(self.public_origins)


def _check_web_ports(ports: Sequence[int], *, others: Sequence[int]) -> None:
    for port in ports:
        if not 1 <= port <= 65535 or port in others or ports.count(port) > 1:
            raise ValueError(
                f"web_ports: {port} is not allowed; allowed are 1 to 65535, each once and no other server's"
            )


def reached_at(bind: str) -> str:
    """The address at which programs of this machine reach a server that listens on `bind`."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1", "localhost": "127.0.0.1"}.get(bind, bind)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return text in LOOPBACK
    return True


_VARIABLES: dict[str, type] = {
    "bind": str,
    "port": int,
    "vault_port": int,
    "vault_bind": str,
    "public_origins": tuple,
    "oracle_port": int,
    "oracle_bind": str,
    "zone_port": int,
    "trusted_proxies": tuple,
    "allowed_origins": tuple,
    "base_model": str,
    "autoplay": bool,
    "log_level": str,
    "database_url": str,
    "redis_url": str,
    "node_address": str,
}
_SWITCH = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}


def load(
    world: World,
    environment: Mapping[str, str] = os.environ,
    *,
    recipe: type | None = None,
    gatekeeper: type | None = None,
    tasks: type | None = None,
    treasury: type | None = None,
    archivist: type | None = None,
    notices: type | None = None,
    own: Mapping[str, Any] | None = None,
) -> RealmConfig:
    """Raises strict.BadConfig naming the file or variable, the key and what is allowed.

    With `recipe`, a dataclass, the preset and the keys under `training` are checked against it, file by file; with
    `gatekeeper`, `tasks`, `treasury`, `archivist` and `notices` those under these names.
    `own` is read in place of what the world's `config.yaml` holds: what it would hold.
    """
    settings: dict[str, Any] = {}
    checked = {
        "training": recipe,
        "gatekeeper": gatekeeper,
        "tasks": tasks,
        "treasury": treasury,
        "archivist": archivist,
        "notices": notices,
    }
    sections: dict[str, dict[str, Any]] = {name: {} for name in checked}
    named_by = DEFAULTS_FILE
    for path in (DEFAULTS_FILE, config_file(world)):
        layer = read_yaml(path) if own is None or path == DEFAULTS_FILE else dict(own)
        strict.read(RealmConfig, layer, source=str(path))
        for section, cls in checked.items():
            _check_keys(cls, layer.get(section, {}), source=f"{path}: {section}")
            sections[section] |= layer.get(section, {})
        settings |= layer
        named_by = path if "preset" in layer else named_by
    name = settings.get("preset", RealmConfig.preset)
    if name is not None:
        preset = read_preset(world, name, recipe=recipe, source=str(named_by))
        sections["training"] = preset | sections["training"]
    if recipe is not None:
        strict.read(recipe, sections["training"], source=f"{config_file(world)}: training, with preset {name}")
    settings |= sections
    found = strict.read(RealmConfig, settings | from_environment(environment), source="settings")
    return replace(found, base_model=whole_path(world, found.base_model)) if found.base_model else found


def whole_path(world: World, base_model: str) -> str:
    """A folder of the world's own is named below it, so that a copied world finds its copy."""
    return str(world.home / base_model) if base_model.startswith(OWN_BASES) else base_model


def config_file(world: World) -> Path:
    return world.home / "config.yaml"


def own_training(world: World) -> dict[str, Any]:
    """The keys under `training` in the two settings files: those that win over any preset."""
    layers = (read_yaml(path) for path in (DEFAULTS_FILE, config_file(world)))
    return {key: value for layer in layers for key, value in (layer.get("training") or {}).items()}


def preset_files(world: World) -> dict[str, Path]:
    """Every preset's file by name.

    A world's file wins over a shipped one of the same name, as its settings do: a later release that ships a name
    that somebody uses already changes nothing of how that world trains.
    """
    found = (path for folder in (SHIPPED_PRESETS, world.presets) for path in sorted(folder.glob("*.yaml")))
    return {path.stem: path for path in found if is_preset_name(path.stem)}


def is_preset_name(name: str) -> bool:
    return bool(_PRESET.fullmatch(name))


def read_preset(world: World, name: str, *, recipe: type | None, source: str) -> dict[str, Any]:
    """The keys of a preset; `source` is who names it. Raises strict.BadConfig."""
    files = preset_files(world)
    if name not in files:
        raise strict.BadConfig(f"{source}: preset: there is none called {name!r}; allowed are {', '.join(files)}")
    keys = read_yaml(files[name])
    if recipe is not None:
        strict.read(recipe, keys, source=str(files[name]))
    return keys


def _check_keys(cls: type | None, keys: Mapping[str, Any], *, source: str) -> None:
    """Each alone: what one key means together with others is known only when all files have been read."""
    if cls is not None:
        for key, value in keys.items():
            strict.read(cls, {key: value}, source=source)


def parse_pairs(pairs: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` of a command line, each value as in a settings file. Raises strict.BadConfig."""
    keys: dict[str, Any] = {}
    for pair in pairs:
        key, separator, text = pair.partition("=")
        if not separator or not key or key in keys:
            raise strict.BadConfig(f"{pair!r} is not understood; each key is given once, as KEY=VALUE")
        try:
            keys[key] = parse_yaml(text)
        except UNREADABLE:
            raise strict.BadConfig(f"{key}: {text!r} is no value") from None
    return keys


def from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, kind in _VARIABLES.items():
        variable = f"REALM_{key.upper()}"
        text = environment.get(variable, "").strip()
        if text:
            found[key] = _parse_variable(variable, text, kind)
            _check_range(variable, key, found[key])
    return found


def _check_range(variable: str, key: str, value: Any) -> None:
    """Tried alone, so that the player reads the variable that was set and not the key that it stands for."""
    try:
        RealmConfig(**{key: value})
    except ValueError as error:
        raise strict.BadConfig(f"{variable}: {str(error).removeprefix(f'{key}: ')}") from error


def _parse_variable(variable: str, text: str, kind: type) -> Any:
    if kind is bool:
        if text.lower() not in _SWITCH:
            raise strict.BadConfig(f"{variable}: {text!r} is not allowed; allowed are {', '.join(_SWITCH)}")
        return _SWITCH[text.lower()]
    if kind is int:
        if not text.isascii() or not text.isdigit():
            raise strict.BadConfig(f"{variable}: a whole number is expected, not {text!r}")
        return int(text)
    if kind is tuple:
        return tuple(part for each in text.split(",") if (part := each.strip()))
    return text
