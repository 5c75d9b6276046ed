"""By which recipe a quest would be trained, as its page shows it and lets it be changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena.models import Quest
from arena.profiles import quest_recipe
from arena.quest_orders import Act, makes_sense
from realm.config import preset_files
from realm.strict import BadConfig
from realm.world import World
from tavern.live_settings import read_settings


@dataclass(frozen=True, kw_only=True)
class Own:
    """As the form has it."""

    preset: str = ""
    keys: str = ""


@dataclass(frozen=True, kw_only=True)
class QuestRecipe:
    own: Own
    said: str
    """Its own keys in a line; empty where it follows the realm's recipe."""
    reason: str
    question: str
    trouble: str
    """Why it cannot be trained so; empty where it can."""
    may_change: bool
    presets: tuple[str, ...]


def recipe_of(world: World, quest: Quest, path: Path | None) -> QuestRecipe | None:
    """None once the quest's file is gone."""
    if path is None:
        return None
    config, _ = read_settings(world)
    own: dict[str, Any] = {}
    reason = question = trouble = ""
    try:
        own = quest_recipe.read_beside(world, path)
        resolved = quest_recipe.resolve_for(world, config, path)
        reason, question, trouble = resolved.reason, resolved.question, resolved.refusal
    except BadConfig as error:
        trouble = str(error)
    return QuestRecipe(
        own=Own(preset=str(own.get("preset", "")), keys=_as_pairs(own)),
        said=quest_recipe.said(own),
        reason=reason,
        question=question,
        trouble=trouble,
        may_change=makes_sense(quest, Act.RECIPE),
        presets=tuple(preset_files(world)),
    )


def _as_pairs(own: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={_plain(value)}" for key, value in own.items() if key != "preset")


def _plain(value: Any) -> str:
    return f"[{','.join(map(str, value))}]" if isinstance(value, list) else str(value)
