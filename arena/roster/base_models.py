"""From which model a hero begins: the embedded one, a folder, or a hub's; and whether it can be trained."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

from arena import presets
from arena.confined.asking import verdict_of
from arena.confined.probe import Asked
from arena.confined.weights import WEIGHT_FILES
from arena.presets import PresetError
from arena.profiles.resolving import Resolved, resolve
from arena.recipe import Recipe
from arena.roster.errors import BadHero
from realm import config, heroes
from realm.checkpoints import sidecar
from realm.checkpoints.branches import walk_line
from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.config import OWN_BASES, RealmConfig
from realm.strict import BadConfig
from realm.world import World

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")


@dataclass(frozen=True, kw_only=True)
class KnownModel:
    value: str
    """As `base_model` of a hero; `embedded` is the realm's own."""
    label: str


def known_models(world: World) -> list[KnownModel]:
    """What a new hero may begin from without a word to type: the realm's own, and what other heroes begin from."""
    found = {heroes.EMBEDDED: "the embedded hero: 1M parameters, knows nothing, trains on any processor"}
    for folder in sorted((world.models / "base").glob("*/config.json")):
        if folder.parent.name != heroes.EMBEDDED:
            found[f"{OWN_BASES}{folder.parent.name}"] = f"{folder.parent.name}, in this world's models"
    for hero in heroes.folders(world):
        base = base_of(world, hero.name)
        if base and base not in found:
            found[base] = f"{base}, as {hero.name} begins from"
    return [KnownModel(value=value, label=label) for value, label in found.items()]


def base_of(world: World, hero: str) -> str | None:
    """As the settings write it; None: the embedded hero.

    What the hero's newest checkpoint began from; before the first one what the settings name of who fights, and its
    record of another.
    """
    folder = world.heroes / hero
    for checkpoint in walk_line(folder):
        try:
            return _as_settings_write(world, folder, sidecar.read(checkpoint).base_model)
        except (DamagedCheckpoint, OSError):
            continue
    settings, record = config.load(world), heroes.read(world, hero)
    if record and hero != settings.hero:
        return record.base_model
    return _as_settings_write(world, folder, settings.base_model or "")


def _as_settings_write(world: World, folder: Path, told: str) -> str | None:
    own = world.models.resolve() / "base"
    path = Path(told) if Path(told).is_absolute() else (folder / told).resolve() if told.startswith(".") else None
    if path is not None and path.name == heroes.EMBEDDED and (path.parent == own or not path.is_dir()):
        return None  # also of a world that was copied from another machine
    return f"{OWN_BASES}{path.name}" if path is not None and path.parent.resolve() == own else told or None


def read_base(text: str) -> str | None:
    """As it was entered: `embedded`, a hub id or a folder. Raises BadHero."""
    text = text.strip()
    if text in ("", heroes.EMBEDDED):
        return None
    if Path(text).expanduser().is_absolute():
        return str(Path(text).expanduser())
    if text.startswith(OWN_BASES) and "/" not in (name := text.removeprefix(OWN_BASES)) and not name.startswith("."):
        return text
    if not _HUB_ID.fullmatch(text):
        raise BadHero(
            f"{text[:80]!r} is no base model: write {heroes.EMBEDDED}, a hub id such as Qwen/Qwen3-0.6B, or the whole "
            "path of a folder"
        )
    return text


def settings_with(world: World, hero: str, base_model: str | None, preset: str | None) -> RealmConfig:
    """The world's settings as they would be for this hero. Raises BadHero."""
    try:
        settings = config.load(world, recipe=Recipe)
        training = config.read_preset(world, preset, recipe=Recipe, source="preset") if preset else {}
    except BadConfig as error:
        raise BadHero(str(error)) from None
    whole = config.whole_path(world, base_model) if base_model else None
    keys = training | config.own_training(world)
    return replace(settings, hero=hero, base_model=whole, preset=preset, training=keys)


def check(world: World, hero: str, base_model: str | None, preset: str | None) -> Resolved:
    """The recipe that the hero's first battle would have. Raises BadHero for what cannot be trained.

    A hub's model that is not on this machine is looked at when it is fetched.
    """
    try:
        if preset:
            presets.find(world, preset)
        settings = settings_with(world, hero, base_model, preset)
        resolved = resolve(world, settings)
    except (PresetError, BadConfig) as error:
        raise BadHero(str(error)) from None
    folder = Path(settings.base_model or "")
    if settings.base_model and folder.is_absolute():
        if not any(folder.glob(WEIGHT_FILES)):
            raise BadHero(f"{folder} holds no {WEIGHT_FILES}: name the folder that a model was saved in")
        asked = Asked(model=str(folder), tokenizer=str(folder), max_length=resolved.recipe.max_length)
        if refusal := verdict_of(asked).refusal:
            raise BadHero(refusal)
    if resolved.refusal:
        raise BadHero(resolved.refusal)
    return resolved
