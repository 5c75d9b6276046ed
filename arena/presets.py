"""Presets of the recipe: the shipped ones in `configs/presets/`, the player's own in the world's `presets/`.

Which one is in force is the setting `preset`; realm.config lays it under the keys of `training`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from arena.recipe import Recipe
from realm import config, heroes, strict
from realm.config import SHIPPED_PRESETS
from realm.disk import durable
from realm.world import World


class PresetError(ValueError):
    """One sentence for the player."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    name: str
    path: Path
    about: str
    """The comment in the file's first line."""
    shipped: bool


def list_presets(world: World) -> list[Preset]:
    return [_describe(name, path) for name, path in config.preset_files(world).items()]


def find(world: World, name: str) -> Preset:
    """Raises PresetError."""
    files = config.preset_files(world)
    if name not in files:
        raise PresetError(f"there is no preset called {name!r}; there are {', '.join(files)}")
    return _describe(name, files[name])


def _describe(name: str, path: Path) -> Preset:
    first = path.read_text(encoding="utf-8", errors="replace").partition("\n")[0]
    about = first.removeprefix("#").strip() if first.startswith("#") else ""
    return Preset(name=name, path=path, about=about, shipped=path.parent == SHIPPED_PRESETS)


def recipe_of(world: World, name: str) -> Recipe:
    """What the preset makes of a recipe, without the keys under `training`. Raises PresetError or strict.BadConfig."""
    preset = find(world, name)
    keys = config.read_preset(world, name, recipe=Recipe, source="")
    return strict.read(Recipe, keys, source=str(preset.path))


def save(world: World, name: str, keys: Mapping[str, Any], *, about: str) -> Path:
    """Write a preset of the player's own; one of that name is replaced. Raises PresetError or strict.BadConfig."""
    if not config.is_preset_name(name):
        raise PresetError(f"{name!r} is no name for a preset; allowed are 1 to 40 letters, digits, '-' and '_'")
    if (SHIPPED_PRESETS / f"{name}.yaml").exists():
        raise PresetError(f"{name} is a shipped preset; save yours under another name")
    if not about.isprintable():
        raise PresetError("what a preset is for is said in one line")
    recipe = strict.read(Recipe, keys, source=name)
    values = {key: _plain(value) for key, value in asdict(recipe).items() if key in keys}
    world.presets.mkdir(exist_ok=True)
    path = world.presets / f"{name}.yaml"
    durable.write_bytes(path, f"# {about}\n{_dump(values)}".encode())
    return path


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def delete(world: World, name: str) -> None:
    """Delete one of the player's own that no hero fights by, now or in its turn. Raises PresetError, BadConfig."""
    preset = find(world, name)
    if preset.shipped:
        raise PresetError(f"{name} is a shipped preset and stays")
    if name == config.load(world).preset:
        raise PresetError(f"{name} is in force; use another one first")
    for folder in heroes.folders(world):
        if (record := heroes.read(world, folder.name)) and record.preset == name:
            raise PresetError(f"{folder.name} fights by {name} when it is its turn")
    preset.path.unlink()
    durable.sync_folder(preset.path.parent)


def _dump(value: Any) -> str:
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True)


def parse_keys(pairs: Sequence[str]) -> dict[str, Any]:
    """`KEY=VALUE` as in a settings file. Raises PresetError."""
    try:
        return config.parse_pairs(pairs)
    except strict.BadConfig as error:
        raise PresetError(str(error)) from None
