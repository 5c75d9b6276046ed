"""What the battle scene's first paint needs beside the numbers of the page."""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from arena.models import Battle
from guild.champion.crown import Champion
from guild.selectors import all_lost_levels
from guild.tasks import selectors as tasks
from realm.world import World
from tavern.home.foes import Foe, foe_of
from vault.selectors import newest_checkpoint

LEVELS_PER_PLUME = 5
MOST_PLUMES = 6
SPARKS = range(24)
COINS = range(6)
NUMBERS = range(8)
"""Texts for numbers; the oldest is used again."""


def scene_context(
    world: World, hero: dict[str, Any], battle: dict[str, Any], champion: Champion | None
) -> dict[str, Any]:
    newest = newest_checkpoint(world, hero["name"])
    return {
        "foe": foe_of_battle(battle),
        "plume": min(hero["level"] // LEVELS_PER_PLUME, MOST_PLUMES),
        "crowned": bool(champion and newest and champion.name == newest.name),
        "lost": partial(all_lost_levels, hero["name"]),  # only the stage asks
        "newest": newest.name if newest else None,
        "phase": phase_of(battle),
        "next_due": next_due(world),
        "sparks": SPARKS,
        "coins": COINS,
        "numbers": NUMBERS,
    }


def foe_of_battle(battle: dict[str, Any]) -> Foe:
    tokens = Battle.objects.filter(battle_id=battle["id"]).values_list("quest__tokens", flat=True).first()
    return foe_of(battle["quest"] or "", tokens)


def phase_of(battle: dict[str, Any]) -> str:
    """What the trainer does before the first step: a battle that is open is read, else the trainer itself starts."""
    opened = battle["state"] == Battle.State.TRAINING and not battle["quest_step"]
    return "the quest is read and packed" if opened else "the trainer starts and loads the hero"


def next_due(world: World) -> dict[str, float] | None:
    """When the Task Master's next task is due: `at`, Unix seconds, and the seconds until then; None: not known."""
    master = tasks.master_status(world)
    now = time.time()
    if not master.alive or not master.next or not master.next.get("due_at") or master.next["due_at"] <= now:
        return None
    return {"at": master.next["due_at"], "seconds": master.next["due_at"] - now}
