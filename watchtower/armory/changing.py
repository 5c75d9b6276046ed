"""Changes settings in the world's `config.yaml`: for the page, the command and the API alike.

What cannot be is refused before anything is written; what is critical wants a second word, and a copy of the file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from arena.gate.rules import GateRules
from arena.profiles.resolving import resolve
from arena.recipe import Recipe
from arena.roster import switching
from arena.roster.errors import HeroRefused
from guild.curriculum.plan import read_curriculum
from guild.tasks.task_settings import Rules as TaskRules
from realm import config, config_edit, heroes
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World
from realm.yaml_files import read_yaml
from sentinels.notices.rules import Rules as NoticeRules
from vault.archivist.rules import Rules as ArchivistRules
from vault.treasury.rules import Rules as TreasuryRules
from watchtower.armory import backups, catalogue
from watchtower.armory.catalogue import Setting

BY = "settings"


class Unconfirmed(ValueError):
    """A change that the player is asked about once; the text names what follows from it."""


class Locked(ValueError):
    """A variable of the environment wins over what would be written."""


class Refusal(BadConfig):
    """What cannot be, without the name of the file: it is said beside the field."""


@dataclass(frozen=True, kw_only=True)
class Changed:
    key: str
    before: Any
    """None for a secret one, as `after`."""
    after: Any
    effect: str
    backup: str
    """Name of the copy that was made of the file; empty where none was."""


def put(
    world: World,
    name: str,
    value: Any,
    *,
    confirmed: bool = False,
    environment: Mapping[str, str] = os.environ,
) -> Changed:
    """Write one setting; ABSENT gives it back to what the realm ships.

    Raises NoSuchSetting, Locked, Refusal or Unconfirmed; then nothing is written.
    """
    settings = catalogue.read_all(world, environment)
    setting = catalogue.find(settings, name)
    if setting.variable:
        raise Locked(f"{setting.key}: {setting.variable} of the environment sets it, and wins over every file")
    file = config.config_file(world)
    wanted = config_edit.merged(read_yaml(file), setting.path, value, source=str(file))
    after = _checked(world, wanted, environment, setting)
    before = config.load(world, environment, recipe=Recipe)
    asked = consequences(world, before, after)
    if asked and not confirmed:
        raise Unconfirmed(" ".join(asked))
    backup = backups.make(world) if asked else ""
    if before.hero != after.hero:
        _let_fight(world, after.hero, before=before.hero)
    config_edit.change(world, {setting.path: value}, check=lambda found: _checked(world, found, environment, setting))
    now = catalogue.find(catalogue.read_all(world, environment), setting.key)
    return Changed(key=setting.key, before=setting.value, after=now.value, effect=setting.effect, backup=backup)


def _let_fight(world: World, hero: str, *, before: str) -> None:
    """As `manage.py hero switch` does, with the hero's own model and preset. Raises Refusal.

    A new hero begins by those that stand in the settings, once it is named there.
    """
    if not heroes.is_here(world, hero):
        switching.remember(world, before)
        return
    try:
        switching.switch(world, hero, by=BY)
    except HeroRefused as why:
        raise Refusal(f"hero: {why}") from why


def check(world: World, wanted: Mapping[str, Any], environment: Mapping[str, str] = os.environ) -> RealmConfig:
    """The settings that the world's file would make if it held these. Raises strict.BadConfig."""
    found = config.load(
        world, environment, own=wanted, recipe=Recipe, gatekeeper=GateRules, tasks=TaskRules, treasury=TreasuryRules,
        archivist=ArchivistRules, notices=NoticeRules,
    )  # fmt: skip
    read_curriculum(found)
    return found


def _checked(world: World, wanted: Mapping[str, Any], environment: Mapping[str, str], setting: Setting) -> RealmConfig:
    try:
        return check(world, wanted, environment)
    except BadConfig as error:
        raise Refusal(_beside(str(error), setting)) from error


def _beside(sentence: str, setting: Setting) -> str:
    """Without file and section, which the field tells itself."""
    name = setting.path[-1]
    _, found, rest = sentence.partition(f"{name}: ")
    return f"{name}: {rest}" if found else sentence


def consequences(world: World, before: RealmConfig, after: RealmConfig) -> list[str]:
    """What the player is asked about before such a change, a sentence each; none where it is not critical."""
    found = []
    if before.hero != after.hero:
        known = "goes on" if (world.heroes / after.hero).exists() else "begins at level 0"
        found.append(
            f"hero: {after.hero} {known} and is trained from then on; {before.hero} and its checkpoints stay in "
            f"models/heroes/{before.hero}, and rest."
        )
    if before.base_model != after.base_model:
        found.append(
            f"base_model: {after.base_model or 'the embedded hero'} in place of "
            f"{before.base_model or 'the embedded hero'}. A hero keeps its base for life: with checkpoints of its own, "
            f"{after.hero}'s next battle rests until the base is set back or `hero` names another one."
        )
    old, new = _row(world, before), _row(world, after)
    if old != new:
        found.append(
            f"max_length: rows of {new} tokens in place of {old}. Longer examples are refused or cut, a step is "
            f"{'longer' if new > old else 'shorter'}, and it takes {'more' if new > old else 'less'} memory."
        )
    return found


def _row(world: World, found: RealmConfig) -> int:
    """Tokens in a packed row of the next battle."""
    try:
        return resolve(world, found).recipe.max_length
    except BadConfig:
        return int(found.training.get("max_length", Recipe.max_length))


def restore(world: World, name: str, *, confirmed: bool = False, environment: Mapping[str, str] = os.environ) -> str:
    """Put a copy of the settings back; returns the name of the copy made of what stood there.

    Raises NoSuchBackup, strict.BadConfig or Unconfirmed; then nothing is changed.
    """

    def weigh(wanted: Mapping[str, Any]) -> None:
        asked = consequences(world, config.load(world, environment, recipe=Recipe), check(world, wanted, environment))
        if asked and not confirmed:
            raise Unconfirmed(" ".join(asked))

    return backups.restore(world, name, check=weigh)
