"""The recipe of a battle: code defaults, the hero's profile, the preset, the keys under training, the quest's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arena.profiles import fitting
from arena.profiles.fitting import PROCESS_BYTES, Place, short_number
from arena.profiles.hero_model import HeroModel, hero_model
from arena.profiles.machine import allowance_of, machine
from arena.profiles.profile import Profile, profile_of
from arena.recipe import Recipe
from realm import config as realm_config
from realm import strict
from realm.checkpoints.branches import walk_line
from realm.config import RealmConfig
from realm.world import World

STATE_FILE = "training_state.json"
"""Of a checkpoint; see arena.training.saving.checkpoint."""
MOST_TIMES = 10
"""A rate this many times the profile's is more likely a slip than a wish."""


@dataclass(frozen=True, kw_only=True)
class Resolved:
    recipe: Recipe
    profile: str = ""
    """Name of the hero's profile; empty while nothing of its model is on this machine."""
    reason: str = ""
    """Why this mode, and what it needs of which memory, in a line."""
    refusal: str = ""
    """Why it cannot be trained by any recipe that the settings leave open; empty where it can."""
    question: str = ""
    """What the player is asked once before such a battle begins; empty where nothing is odd."""


def resolve(
    world: World, config: RealmConfig, own: Mapping[str, Any] | None = None, *, source: str = "settings: training"
) -> Resolved:
    """`own` are the keys of one quest, with `preset` for another than the one in force; `source` is who names them.

    They do not change the hero's mode unless they name one, or it would not fit: for one quest's shorter rows a LoRA
    would be merged, and begun anew for the next. Raises strict.BadConfig.
    """
    keys = keys_of(world, config, own or {}, source=source)
    model = hero_model(world, config)
    if model is None:
        recipe = strict.read(Recipe, keys, source=source)
        return Resolved(recipe=recipe, reason=f"{config.base_model} is not on this machine yet")
    profile, place, kept = profile_of(model), place_of(config), _kept(world, config)
    found = fitting.fit(model, profile, kept | keys, place, source=source)
    if own and "mode" not in keys:
        of_realm = fitting.fit(model, profile, kept | keys_of(world, config, {}, source=source), place, source=source)
        as_before = fitting.fit(model, profile, kept | keys | {"mode": of_realm.recipe.mode}, place, source=source)
        found = found if as_before.refusal else as_before
    return Resolved(
        recipe=found.recipe,
        profile=profile.name,
        reason=found.reason,
        refusal=found.refusal,
        question=_question(model, profile, found.recipe, keys),
    )


def _kept(world: World, config: RealmConfig) -> dict[str, Any]:
    """Of a hero that trains by AdamW: it keeps its moments, whatever its profile gives to heroes that begin.

    The newest checkpoint of its branch says so, or is older than the choice.
    """
    newest = next(walk_line(world.heroes / config.hero), None)
    try:
        state = json.loads((newest / STATE_FILE).read_bytes()) if newest else {"optimizer": ""}
    except (OSError, ValueError):
        return {}
    return {"optimizer": "adamw", "weight_average": 0.0} if state.get("optimizer", "adamw") == "adamw" else {}


def keys_of(world: World, config: RealmConfig, own: Mapping[str, Any], *, source: str) -> dict[str, Any]:
    """Of the preset, the keys under training, and the quest. Raises strict.BadConfig."""
    keys, rest = dict(config.training), {key: value for key, value in own.items() if key != "preset"}
    if own.get("preset") is not None:
        chosen = realm_config.read_preset(world, str(own["preset"]), recipe=Recipe, source=source)
        keys = chosen | realm_config.own_training(world)
    return keys | rest


def place_of(config: RealmConfig) -> Place:
    here = machine()
    allowance = allowance_of(here, config.memory_budget_gb)
    return Place(machine=here, allowance=allowance, process_bytes=0 if here.cuda else PROCESS_BYTES)


def _question(model: HeroModel, profile: Profile, recipe: Recipe, keys: Mapping[str, Any]) -> str:
    suited = profile.learning_rate.of(recipe.mode)
    if "learning_rate" not in keys or recipe.learning_rate <= MOST_TIMES * suited:
        return ""
    return (
        f"learning_rate {short_number(recipe.learning_rate)} is {recipe.learning_rate / suited:.3g} times "
        f"{short_number(suited)}, which suits {model.name} in mode {recipe.mode} (profile {profile.name}); "
        "it may ruin what the hero has learned"
    )
