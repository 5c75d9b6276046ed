"""Reads of quests and battles for the command line and the apps above."""

from __future__ import annotations

from arena.models import Battle
from arena.protocol import STEPS_FILE, StepRecord
from realm.world import World


def latest_battle() -> Battle | None:
    return Battle.objects.select_related("quest").order_by("-id").first()


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
