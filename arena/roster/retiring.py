"""A hero that fights no more is set aside, with all that it has; and it can come back."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from arena.models import Battle
from arena.roster import base_models, names
from arena.roster.errors import HeroRefused
from realm import config, heroes
from realm.heroes import HeroRecord
from realm.world import World
from vault import chronicle


def retire(world: World, hero: str, *, by: str) -> str:
    """What was done, in a sentence. Its checkpoints and its base model stay. Raises HeroRefused or UnknownHero."""
    record = _record(world, hero)
    if record.retired_at:
        raise HeroRefused(f"{hero} is retired already.")
    if config.load(world).hero == hero:
        raise HeroRefused(f"{hero} is the one who fights: switch to another hero first.")
    if Battle.objects.filter(hero=hero, state=Battle.State.TRAINING).exists():
        raise HeroRefused(f"{hero} is in a battle that is being saved just now; try again in a moment.")
    now = datetime.now().astimezone().isoformat(timespec="seconds")
    heroes.write(world, hero, replace(record, retired_at=now))
    chronicle.record_done(world, "hero-retire", by=by, hero=hero)
    return f"{hero} is retired. Nothing of it is deleted, and it can be brought back at any time."


def restore(world: World, hero: str, *, by: str) -> str:
    """What was done, in a sentence. Raises HeroRefused or UnknownHero."""
    record = _record(world, hero)
    if not record.retired_at:
        raise HeroRefused(f"{hero} is not retired.")
    heroes.write(world, hero, replace(record, retired_at=""))
    chronicle.record_done(world, "hero-restore", by=by, hero=hero)
    return f"{hero} is back among the heroes."


def _record(world: World, hero: str) -> HeroRecord:
    """A hero of an older release gets one now."""
    names.must_be_known(world, hero)
    found = heroes.read(world, hero)
    return found or HeroRecord(base_model=base_models.base_of(world, hero), preset=config.load(world).preset)
