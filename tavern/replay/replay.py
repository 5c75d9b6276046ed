"""What the replay of one battle begins with; its steps come in slices, as they are played."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from arena.models import Battle
from arena.reports.step_report import Moment, moments
from arena.statistics import step_slice
from realm.world import World
from tavern.home.page import NO_CURVES, tavern_context
from tavern.log_looks import LOOKS, OTHER, Look
from watchtower import view
from watchtower.snapshot import arena_part, battle_part, hero_part

MOST_LISTED = 200
TOLD_TO_THE_SCENE = ("val_loss", "previous", "accuracy", "fault", "reason", "skill", "level", "before", "after")
"""Of what an entry of the chronicle holds."""
SPEEDS = (("1", "1×"), ("10", "10×"), ("100", "100×"), ("1000", "1000×"))
LOUD = frozenset(
    {
        "battle_started", "battle_resumed", "battle_completed", "battle_stopped", "battle_failed", "checkpoint_saved",
        "fault", "hero_level_up", "new_champion", "quest_completed", "skill_level_lost", "skill_level_regained",
        "skill_level_up", "validated",
    }
)  # fmt: skip
"""Kinds that the list beside the picture names."""


@dataclass(frozen=True, kw_only=True)
class Listed:
    look: Look
    moment: Moment


def replay_context(world: World, battle: Battle) -> dict[str, Any]:
    told = moments(battle)
    ends = step_slice.read(world.battles / battle.battle_id, limit=1)
    listed = [Listed(look=LOOKS.get(one.kind, OTHER), moment=one) for one in told if one.kind in LOUD and one.step]
    return _stage(world, battle) | {
        "replayed": battle,
        "first": ends.first,
        "last": ends.last,
        "speeds": SPEEDS,
        "listed": listed[:MOST_LISTED],
        "unlisted": max(0, len(listed) - MOST_LISTED),
        "replay": {
            "battle": battle.battle_id,
            "first": ends.first,
            "last": ends.last,
            "total": battle.total_steps,
            "moments": [_for_the_scene(one) for one in told if one.step],
        },
    }


def _for_the_scene(moment: Moment) -> dict[str, Any]:
    data = {key: moment.data[key] for key in TOLD_TO_THE_SCENE if key in moment.data}
    return {
        "seq": moment.seq, "kind": moment.kind, "step": moment.step, "message": moment.message, "data": data,
    }  # fmt: skip


def _stage(world: World, battle: Battle) -> dict[str, Any]:
    """The picture as the Tavern draws it of a battle, before its first step."""
    seen = view.look_at(world, battle.hero, battle.battle_id)
    assert seen.facts is not None
    snapshot = {
        "seq": seen.seq,
        "hero": hero_part(seen),
        "arena": arena_part(seen) | {"state": "training", "message": "", "alive": True, "stale": False},
        "battle": battle_part(seen, seen.facts),
        **NO_CURVES,
    }
    return tavern_context(snapshot)
