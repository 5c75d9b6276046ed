"""A quest's own recipe, `<file>.recipe.yaml` beside it: `preset: NAME`, and keys of the recipe over that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from arena.gate.report import RECIPE, companion
from arena.profiles.fitting import short_number
from arena.profiles.resolving import Resolved, resolve
from arena.recipe import Recipe
from arena.rows.lines import stem_of
from realm import config as realm_config
from realm import strict
from realm.config import RealmConfig
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, read_regular
from realm.quest_names import is_own_name
from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import UNREADABLE, in_a_sentence, parse_yaml

LARGEST_BYTES = 64 * 1024


def read_beside(world: World, path: Path) -> dict[str, Any]:
    """The own keys of the quest at `path`; none for one that follows the realm's, as all forged and sparring ones do.

    Raises BadConfig, which names the file, the key and what is allowed.
    """
    if not is_own_name(stem_of(path.name)):
        return {}
    file = companion(path, RECIPE)
    try:
        value = parse_yaml(read_regular(file, most_bytes=LARGEST_BYTES).decode("utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnfitFile) as error:
        raise BadConfig(f"{file.name}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    except UNREADABLE as error:
        raise BadConfig(f"{file.name}: not readable as YAML: {in_a_sentence(error)}") from error
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadConfig(f"{file.name}: a mapping is expected, {type(value).__name__} found")
    return check_keys(world, value, source=file.name)


def check_keys(world: World, keys: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Each key alone; what they make together is known once they are resolved. Raises BadConfig."""
    allowed = ["preset", *Recipe.__dataclass_fields__]
    for key, value in keys.items():
        if key not in allowed:
            raise BadConfig(f"{source}: {strict.unknown_key(key, allowed)}")
        if key == "preset":
            _check_preset(world, value, source=source)
        else:
            strict.read(Recipe, {key: value}, source=source)
    return dict(keys)


def _check_preset(world: World, name: Any, *, source: str) -> None:
    if not isinstance(name, str):
        raise BadConfig(f"{source}: preset: a text is expected, not {strict.shown(name)}")
    realm_config.read_preset(world, name, recipe=Recipe, source=source)


class UnconfirmedRate(ValueError):
    """A learning rate that the player is asked about once; the text says why."""


@dataclass(frozen=True, kw_only=True)
class OwnRecipe:
    """What a command line or a form gives a quest."""

    keys: dict[str, Any]
    confirmed_rate: float | None = None

    @property
    def encoded(self) -> bytes:
        return encoded(self.keys) if self.keys else b""

    @property
    def said(self) -> str:
        """`recipe: preset deep-training, epochs 2`."""
        return f"recipe: {said(self.keys)}"


NO_RECIPE = OwnRecipe(keys={})


def given(
    world: World,
    config: RealmConfig,
    *,
    preset: str | None,
    pairs: Sequence[str],
    confirmed: bool,
    source: str = "--set",
) -> OwnRecipe:
    """`pairs` are KEY=VALUE; `source` is who names them. Raises BadConfig, also where they make no recipe here, or
    UnconfirmedRate."""
    try:
        keys = realm_config.parse_pairs(pairs)
    except BadConfig as error:
        raise BadConfig(f"{source}: {error}") from error
    if "preset" in keys:
        raise BadConfig(f"{source}: preset is no key of the recipe: it is given by itself")
    if preset:
        _check_preset(world, preset, source=source if source != "--set" else "--preset")
        keys = {"preset": preset} | keys
    return of_keys(world, config, keys, confirmed=confirmed, source=source)


def of_keys(
    world: World, config: RealmConfig, keys: Mapping[str, Any], *, confirmed: bool, source: str = "recipe"
) -> OwnRecipe:
    """The same of keys with their values, `preset` among them. Raises BadConfig, UnconfirmedRate."""
    keys = check_keys(world, keys, source=source)
    resolved = resolve(world, config, keys, source=source)
    if keys and resolved.refusal:
        raise BadConfig(f"{source}: {resolved.refusal}")
    asked = bool(resolved.question) and "learning_rate" in keys
    if asked and not confirmed:
        raise UnconfirmedRate(resolved.question)
    return OwnRecipe(keys=keys, confirmed_rate=resolved.recipe.learning_rate if asked else None)


def said(keys: Mapping[str, Any]) -> str:
    """In a line; empty for none."""
    return ", ".join(f"{key} {_said(value)}" for key, value in keys.items())


def _said(value: Any) -> str:
    if isinstance(value, float):
        return short_number(value)
    return strict.shown(value) if isinstance(value, list) else str(value)


def resolve_for(world: World, config: RealmConfig, path: Path | None) -> Resolved:
    """Of the quest at `path`; the realm's own where there is none. Raises BadConfig."""
    own = read_beside(world, path) if path is not None else {}
    source = companion(path, RECIPE).name if path is not None and own else "settings: training"
    return resolve(world, config, own, source=source)


def encoded(keys: Mapping[str, Any]) -> bytes:
    plain = {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}
    return yaml.safe_dump(plain, sort_keys=False, allow_unicode=True).encode()


def write_beside(path: Path, keys: Mapping[str, Any]) -> None:
    """No keys: the quest follows the realm's from now on."""
    if keys:
        durable.write_bytes(companion(path, RECIPE), encoded(keys))
    else:
        companion(path, RECIPE).unlink(missing_ok=True)
