"""Reads of quests and battles for the command line and the apps above."""

from __future__ import annotations

from django.conf import settings
from django.db.models import Q

from arena.models import Battle
from arena.protocol import STEPS_FILE, StepRecord
from realm.world import World


def latest_battle() -> Battle | None:
    """The one that is fought, else the newest; one that waits for a hero who does not fight now is neither."""
    rows = Battle.objects.exclude(waits_for_its_hero()).select_related("quest").order_by("-id")
    return rows.filter(state=Battle.State.TRAINING).first() or rows.first()


def battle_before(battle: Battle) -> Battle | None:
    """The hero's last one before this."""
    return Battle.objects.filter(hero=battle.hero, pk__lt=battle.pk).order_by("-pk").first()


def waits_for_its_hero() -> Q:
    """Battles that are paused because another hero fights now."""
    return Q(state=Battle.State.PAUSED) & ~Q(hero=settings.REALM.hero)


def last_step(world: World, battle: Battle) -> StepRecord | None:
    """The newest whole record of a battle's `steps.bin`."""
    path = world.battles / battle.battle_id / STEPS_FILE
    if not path.exists():
        return None
    whole = path.stat().st_size // StepRecord.SIZE
    if not whole:
        return None
    with open(path, "rb") as file:
        file.seek((whole - 1) * StepRecord.SIZE)
        return StepRecord.unpack(file.read(StepRecord.SIZE))
