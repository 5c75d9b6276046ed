"""Another hero fights: the settings name it, and all that serves follows them."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from arena import status as arena_status
from arena.models import Battle
from arena.recipe import Recipe
from arena.roster import base_models, names
from arena.roster.errors import HeroRefused
from realm import config, config_edit, heroes, strict
from realm.config import DEFAULTS_FILE, OWN_BASES, RealmConfig, config_file
from realm.heroes import HeroRecord
from realm.world import World
from realm.yaml_files import read_yaml
from vault import chronicle


@dataclass(frozen=True, kw_only=True)
class Switched:
    hero: str
    before: str
    waits: str
    """The quest whose battle waits until `before` fights again; empty where none was under way."""
    arena_alive: bool

    @property
    def said(self) -> str:
        battle = (
            f" The battle for {self.waits} is saved and goes on from that step when {self.before} fights again."
            if self.waits
            else ""
        )
        asleep = "" if self.arena_alive else " The arena is not running: it obeys when it starts."
        return f"{self.hero} fights from now on, and takes the quests that wait.{battle}{asleep}"


def switch(world: World, hero: str, *, by: str) -> Switched:
    """Within seconds, once the battle under way is saved. Raises HeroRefused, UnknownHero, or strict.BadConfig."""
    names.must_be_known(world, hero)
    record = heroes.read(world, hero)
    settings = config.load(world)
    if settings.hero == hero:
        raise HeroRefused(f"{hero} fights already.")
    if record and record.retired_at:
        raise HeroRefused(f"{hero} is retired: bring it back first (`manage.py hero restore {hero}`).")
    base = base_models.base_of(world, hero)
    _check_base(world, hero, base)
    preset = record.preset if record else settings.preset
    base_models.check(world, hero, base, preset)

    before = settings.hero
    remember(world, before)
    changes: dict[config_edit.Path, Any] = {("hero",): hero, ("base_model",): base, ("preset",): preset}
    config_edit.change(world, changes, check=lambda values: _check_settings(world, values))
    chronicle.record_done(world, "hero-switch", by=by, hero=hero, before=before)
    fought = Battle.objects.filter(hero=before, state__in=(Battle.State.TRAINING, Battle.State.PAUSED))
    battle = fought.select_related("quest").first()
    return Switched(
        hero=hero, before=before, waits=battle.quest.name if battle else "",
        arena_alive=arena_status.daemon_alive(world),
    )  # fmt: skip


def remember(world: World, hero: str) -> None:
    """Write down by what model and preset `hero` fights until now, so that one can come back to it."""
    (world.heroes / hero).mkdir(parents=True, exist_ok=True)
    old, named = heroes.read(world, hero) or HeroRecord(), _in_settings(world)
    heroes.write(world, hero, replace(old, base_model=named.base_model, preset=named.preset))


def _check_base(world: World, hero: str, base: str | None) -> None:
    wins = config.from_environment(os.environ).get("base_model")
    if wins is not None and wins != base:
        raise HeroRefused(
            f"REALM_BASE_MODEL names {wins}, which wins over the settings, and {hero} begins from "
            f"{base or heroes.EMBEDDED}: start the realm without that variable first."
        )
    if base and base.startswith(OWN_BASES) and not (world.home / base / "config.json").is_file():
        raise HeroRefused(
            f"The model that {hero} begins from is not written yet; see the vault's jobs, then try again."
        )


def _in_settings(world: World) -> RealmConfig:
    """As the files have it: a base model of the world's own is named below it."""
    values = read_yaml(DEFAULTS_FILE) | read_yaml(config_file(world))
    return strict.read(RealmConfig, values, source=str(config_file(world)))


def _check_settings(world: World, values: dict[str, Any]) -> None:
    """Raises strict.BadConfig for settings by which nobody could train."""
    source = str(config_file(world))
    found = strict.read(RealmConfig, read_yaml(DEFAULTS_FILE) | values, source=source)
    preset = config.read_preset(world, found.preset, recipe=Recipe, source=source) if found.preset else {}
    keys = preset | (values.get("training") or {})
    strict.read(Recipe, keys, source=f"{source}: training, with preset {found.preset}")
