"""Models and cards that the calculator knows by name: `configs/calculator.yaml`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Annotated, Any

from arena.estimate import Shape
from realm import strict
from realm.strict import Bounds
from realm.world import CHECKOUT
from realm.yaml_files import read_yaml

FILE = CHECKOUT / "configs" / "calculator.yaml"


@dataclass(frozen=True, kw_only=True)
class Card:
    gib: Annotated[float, Bounds(0)]
    """Its memory, in units of 2^30 bytes."""
    tflops: Annotated[float, Bounds(0)]
    """10^12 operations a second, as its maker says."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)


@dataclass(frozen=True, kw_only=True)
class Known:
    models: dict[str, dict[str, Any]]
    """By name the numbers of their `config.json`."""
    cards: dict[str, Card]
    reached: Annotated[float, Bounds(0, 1)]
    """Share of a card's operations that training reaches."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)

    def shape(self, model: str) -> Shape:
        return Shape.of(self.models[model])


@functools.cache
def known() -> Known:
    return strict.read(Known, read_yaml(FILE), source=str(FILE))
