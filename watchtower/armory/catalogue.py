"""Every setting: what it is for, what may stand there, what does and why. Read from the dataclasses that read them."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, get_type_hints

from arena.gate.rules import GateRules
from arena.profiles.resolving import Resolved, resolve
from arena.recipe import Recipe
from guild.curriculum.plan import Wishes, read_curriculum
from guild.skills.registry import get_skill, read_skills
from guild.tasks.task_settings import Rules as TaskRules
from realm import config, strict
from realm.config import DEFAULTS_FILE, CopiesRules, RealmConfig, config_file
from realm.field_help import help_of
from realm.strict import BadConfig, Range
from realm.world import World
from realm.yaml_files import read_yaml
from sentinels.notices.rules import Rules as NoticeRules
from vault.archivist.rules import Rules as ArchivistRules
from vault.treasury.rules import Rules as TreasuryRules
from watchtower.armory import effects
from watchtower.armory.kinds import Form, form_of

Path = tuple[str, ...]
SECTIONS: dict[str, type] = {
    "training": Recipe, "gatekeeper": GateRules, "copies": CopiesRules, "treasury": TreasuryRules,
    "archivist": ArchivistRules, "notices": NoticeRules, "tasks": TaskRules,
}  # fmt: skip
_LAID_OVER = ("training", "gatekeeper", "treasury", "archivist", "notices", "tasks")
"""Sections of which the world's file changes single keys; of others it replaces the whole."""
SECRET = ("database_url", "redis_url")
"""They may hold a password."""
ALIASES = {"model_name": "hero"}
"""Names that other programs and older papers have for a setting."""
CRITICAL = ("hero", "base_model", "training.max_length")
SHIPPED, OWN, CODE = "configs/realm.yaml", "config.yaml", "code"


class NoSuchSetting(ValueError):
    """One sentence for the player."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    key: str
    """As it is written on a command line: `training.max_length`."""
    section: str
    help: str
    form: Form
    allowed: str
    """What the value may be, in words; empty where its kind says it all."""
    value: Any
    """None for a secret one, whatever it is."""
    default: Any
    """What holds once the world's own file does not say otherwise."""
    source: str
    """Of the value: `code`, `preset NAME`, `profile NAME`, `configs/realm.yaml`, `config.yaml` or a variable."""
    default_source: str
    variable: str = ""
    """Of the environment, which wins over every file; empty where none is set."""
    effect: str = ""
    """When a change holds."""
    critical: bool = False
    secret: bool = False

    @property
    def path(self) -> Path:
        return tuple(self.key.split("."))

    @property
    def is_changed(self) -> bool:
        """Whether this world says so itself."""
        return self.source == OWN or bool(self.variable)


@dataclass(frozen=True)
class _Layers:
    """What each file says, and what the hero and its preset make of the recipe."""

    own: Mapping[str, Any]
    shipped: Mapping[str, Any]
    preset: Mapping[str, Any]
    preset_name: str
    resolved: Resolved | None
    told: Mapping[str, Any]
    """By the environment."""


def read_all(world: World, environment: Mapping[str, str] = os.environ) -> list[Setting]:
    """Every setting, section by section, as they would be read now. Raises strict.BadConfig."""
    layers = _layers(world, environment)
    return list(_settings(layers))


def find(settings: list[Setting], name: str) -> Setting:
    """By its key, an alias, or a key of the recipe without `training.`. Raises NoSuchSetting."""
    by_key = {setting.key: setting for setting in settings}
    wanted = ALIASES.get(name, name)
    found = by_key.get(wanted) or by_key.get(f"training.{wanted}")
    if found is None:
        raise NoSuchSetting(strict.unknown_key(name, by_key))
    return found


def _layers(world: World, environment: Mapping[str, str]) -> _Layers:
    own, shipped = read_yaml(config_file(world)), read_yaml(DEFAULTS_FILE)
    found = config.load(world, environment, recipe=Recipe)
    read_curriculum(found)
    preset = config.read_preset(world, found.preset, recipe=Recipe, source=OWN) if found.preset else {}
    try:
        resolved = resolve(world, found)
    except BadConfig:
        resolved = None
    return _Layers(own, shipped, preset, found.preset or "", resolved, config.from_environment(environment))


def _settings(layers: _Layers) -> Iterator[Setting]:
    for field in dataclasses.fields(RealmConfig):
        if field.name not in SECTIONS and field.name != "curriculum":
            yield _setting(layers, RealmConfig, field.name, (field.name,), "realm")
    for section, cls in SECTIONS.items():
        yield from _of_section(layers, cls, (section,), section)
    for skill in read_skills():
        yield from _of_section(layers, Wishes, ("curriculum", skill.name), "curriculum")


def _of_section(layers: _Layers, cls: type, path: Path, section: str) -> Iterator[Setting]:
    for name, hint in _hints(cls).items():
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            yield from _of_section(layers, hint, (*path, name), section)
        else:
            yield _setting(layers, cls, name, (*path, name), section)


@functools.cache
def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls, include_extras=True)


def _setting(layers: _Layers, cls: type, name: str, path: Path, section: str) -> Setting:
    key, hint = ".".join(path), _hints(cls)[name]
    secret = key in SECRET
    default, default_source = _fallback(layers, cls, name, path)
    is_own, own = _at(layers.own, path)
    value, source = (own, OWN) if is_own else (default, default_source)
    variable = f"REALM_{name.upper()}" if len(path) == 1 and name in layers.told else ""
    if variable:
        value, source = layers.told[name], variable
    form = form_of(hint)
    return Setting(
        key=key, section=section, help=help_of(cls).get(name, ""), form=form, allowed=_allowed(cls, name, form),
        value=None if secret else value, default=None if secret else default, source=source,
        default_source=default_source, variable=variable, effect=effects.of(path), critical=key in CRITICAL,
        secret=secret,
    )  # fmt: skip


def _fallback(layers: _Layers, cls: type, name: str, path: Path) -> tuple[Any, str]:
    """What holds without the world's own word, and who says so."""
    replaced = len(path) > 1 and path[0] not in _LAID_OVER and path[0] in layers.own
    is_shipped, shipped = _at(layers.shipped, path)
    if is_shipped and not replaced:
        return shipped, SHIPPED
    if path[0] == "training":
        return _of_recipe(layers, name)
    if path[0] == "curriculum":
        return getattr(get_skill(path[1]), name), f"skill {path[1]}"
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    made = field.default_factory() if field.default_factory is not dataclasses.MISSING else field.default
    return made, CODE


def _of_recipe(layers: _Layers, name: str) -> tuple[Any, str]:
    """Of the preset, then of what suits the hero and this machine's memory."""
    if name in layers.preset:
        return layers.preset[name], f"preset {layers.preset_name}"
    usual = getattr(Recipe(), name)
    is_own, _ = _at(layers.own, ("training", name))
    fitted = getattr(layers.resolved.recipe, name) if layers.resolved and not is_own else usual
    if layers.resolved is None or fitted == usual:
        return usual, CODE
    return fitted, f"profile {layers.resolved.profile}"


def _at(mapping: Mapping[str, Any], path: Path) -> tuple[bool, Any]:
    """Whether something stands there, and what."""
    here: Any = mapping
    for key in path:
        if not isinstance(here, Mapping) or key not in here:
            return False, None
        here = here[key]
    return True, here


def _allowed(cls: type, name: str, form: Form) -> str:
    allowed: Range | None = strict.ranges_of(cls).get(name)
    words = []
    if form.choices:
        words.append(", ".join(form.choices))
    if allowed and allowed.most == float("inf"):
        words.append(f"{allowed.least:g} or more")
    elif allowed:
        words.append(f"{_number(allowed.least)} to {_number(allowed.most)}")
    if form.optional:
        words.append("null")
    return " or ".join(words)


def _number(value: float) -> str:
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:g}"
