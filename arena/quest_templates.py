"""Quests to begin from, `configs/quest_templates/*.yaml`: a few rows of one form, and a recipe that suits them."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from realm import strict
from realm.world import CHECKOUT
from realm.yaml_files import read_yaml

FOLDER = CHECKOUT / "configs" / "quest_templates"


class NoSuchTemplate(ValueError):
    """One sentence for the player."""


@dataclass(frozen=True, kw_only=True)
class _File:
    title: str
    teaches: str
    fits: str
    rows: tuple[dict[str, Any], ...]
    recipe: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class QuestTemplate:
    name: str
    title: str
    teaches: str
    """What the hero learns from such rows."""
    fits: str
    """Which data it suits."""
    rows: tuple[dict[str, Any], ...]
    recipe: dict[str, Any]
    """Keys of the recipe; the others are the realm's."""

    @property
    def jsonl(self) -> str:
        return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in self.rows)

    @property
    def pairs(self) -> str:
        """The recipe as forms and command lines have it: `epochs=3`."""
        return " ".join(f"{key}={value}" for key, value in self.recipe.items())


def list_templates() -> list[QuestTemplate]:
    return [_read(path) for path in sorted(FOLDER.glob("*.yaml"))]


def find(name: str) -> QuestTemplate:
    """Raises NoSuchTemplate."""
    names = [path.stem for path in sorted(FOLDER.glob("*.yaml"))]
    if name not in names:
        raise NoSuchTemplate(f"there is no template called {strict.shown(name)}; there are {', '.join(names)}")
    return _read(FOLDER / f"{name}.yaml")


def _read(path: Path) -> QuestTemplate:
    return QuestTemplate(name=path.stem, **asdict(strict.read(_File, read_yaml(path), source=str(path))))
