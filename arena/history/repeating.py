"""A battle fought once more with one key of its recipe changed: the same file, by a quest of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from arena import jobs
from arena.gate import report as reports
from arena.jobs import Job
from arena.models import Battle
from arena.profiles import quest_recipe
from arena.profiles.quest_recipe import UnconfirmedRate
from arena.queue import files as queue
from arena.queue import ticket
from arena.recipe import Recipe
from arena.reports.battle_recipe import order_of
from realm import config as realm_config
from realm.config import RealmConfig
from realm.quest_names import is_own_name
from realm.strict import BadConfig
from realm.world import World

FACT = "repeat_of"
"""In the ticket of the quest that repeats."""
NO_CHANGE = "Nothing is changed: the battle would be the same one."


class CannotRepeat(ValueError):
    """Why, in a sentence that begins with the field that is meant: `key`, `value`, or `battle`."""


@dataclass(frozen=True, kw_only=True)
class Repeated:
    job: Job
    battle: str
    """The one that is repeated."""
    key: str
    before: Any
    after: Any


def keys_of(world: World, battle: Battle) -> dict[str, Any]:
    """The recipe of a battle, every key with its value. Raises CannotRepeat."""
    order = order_of(world, battle)
    if order is None:
        raise CannotRepeat("battle: its order cannot be read any more, so nobody knows its recipe")
    return asdict(order.recipe)


def repeat(
    world: World, config: RealmConfig, battle: Battle, *, key: str, value: str, confirmed: bool = False, by: str
) -> Repeated:
    """Ask for the battle's quest once more with `key` of its recipe as `value` says; all else is as it was.

    Raises CannotRepeat, or UnconfirmedRate for a learning rate that the player is asked about once.
    """
    keys = keys_of(world, battle)
    if key not in keys:
        raise CannotRepeat(f"key: {key[:60]!r} is no key of the recipe; they are {', '.join(keys)}")
    path = _file_of(world, battle)
    try:
        changed = realm_config.parse_pairs([f"{key}={value}"])
        asked = quest_recipe.check_keys(world, changed, source="value")
        after = _plain(asked)[key]
        if after == _plain(keys)[key]:
            raise CannotRepeat(f"value: {NO_CHANGE}")
        job = jobs.start(
            world, config, file=path, name=_name(battle, path), priority=battle.quest.priority,
            recipe=_plain(keys) | {key: after}, confirmed=confirmed, repeated=True,
            force=reports.read_wishes(path).force, facts={FACT: battle.battle_id}, by=by,
        )  # fmt: skip
    except BadConfig as error:
        raise CannotRepeat(f"value: {error}") from error
    return Repeated(job=job, battle=battle.battle_id, key=key, before=_plain(keys)[key], after=after)


def _file_of(world: World, battle: Battle) -> Path:
    quest = battle.quest
    path = queue.path_of(world, quest) if quest.file else None
    if path is None or not path.is_file():
        raise CannotRepeat(f"battle: the file of {quest.name} made room; drop it into the inbox again")
    return path


def _name(battle: Battle, path: Path) -> str:
    """What the guild made has no recipe of its own: its rows are fought again as a quest of the player's."""
    return path.name if is_own_name(battle.quest.name) else f"again-{path.name}"


def _plain(keys: Mapping[str, Any]) -> dict[str, Any]:
    return {key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()}


def repeat_of(path: Path) -> str:
    """The battle that the quest at `path` was asked to repeat; empty: none."""
    asked = ticket.read(path)
    said = asked.facts.get(FACT) if asked else None
    return said if isinstance(said, str) else ""


def choices() -> tuple[str, ...]:
    """The keys that can be changed, in the recipe's order."""
    return tuple(Recipe.__dataclass_fields__)


__all__ = ["CannotRepeat", "Repeated", "UnconfirmedRate", "choices", "keys_of", "repeat", "repeat_of"]
