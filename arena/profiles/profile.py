"""Profiles of heroes, `configs/heroes/*.yaml`: what suits a model by its architecture and size."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, field
from typing import Annotated, Any

from arena.profiles.hero_model import HeroModel
from arena.recipe import Recipe
from realm import strict
from realm.strict import Bounds
from realm.world import CHECKOUT
from realm.yaml_files import read_yaml

FOLDER = CHECKOUT / "configs" / "heroes"


@dataclass(frozen=True, kw_only=True)
class Rates:
    full: Annotated[float, Bounds(0, 10)]
    lora: Annotated[float, Bounds(0, 10)]
    """Of modes lora and qlora."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)

    def of(self, mode: str) -> float:
        return self.full if mode == "full" else self.lora


@dataclass(frozen=True, kw_only=True)
class Profile:
    name: str = ""
    embedded: bool = False
    """For the realm's own hero alone, whatever else stands here."""
    exported: bool = False
    """For one that was exported from a realm alone, whatever else stands here."""
    model_type: str | None = None
    """As the model's `config.json` has it; None: any."""
    parameters_from: float = 0
    parameters_below: float | None = None
    learning_rate: Rates
    recipe: dict[str, Any] = field(default_factory=dict)
    """Keys of the recipe but for mode and learning rate."""

    def fits(self, model: HeroModel) -> bool:
        own = (model.embedded, model.exported)
        if any(own) or self.embedded or self.exported:
            return own == (self.embedded, self.exported)
        below = math.inf if self.parameters_below is None else self.parameters_below
        kind = self.model_type in (None, model.model_type)
        return kind and self.parameters_from <= model.parameters < below


def profile_of(model: HeroModel) -> Profile:
    """One for its architecture before one for any."""
    fitting = [profile for profile in profiles() if profile.fits(model)]
    return min(fitting, key=lambda profile: profile.model_type is None)


@functools.cache
def profiles() -> tuple[Profile, ...]:
    """Every shipped profile, by name. Raises strict.BadConfig."""
    return tuple(map(_read, sorted(path.stem for path in FOLDER.glob("*.yaml"))))


def _read(name: str) -> Profile:
    path = FOLDER / f"{name}.yaml"
    profile = strict.read(Profile, read_yaml(path) | {"name": name}, source=str(path))
    for key in ("mode", "learning_rate"):
        if key in profile.recipe:
            raise strict.BadConfig(f"{path}: recipe: {key} follows from the machine's memory, and does not stand here")
    strict.read(Recipe, profile.recipe, source=f"{path}: recipe")
    return profile
