"""The curve of one battle by itself, over or not: what a page draws beside that of another one."""

from __future__ import annotations

from typing import Any

from arena import steps
from arena.models import Battle
from arena.steps import MOST_CURVE_POINTS, column
from guild.selectors import accuracy_history
from realm.world import World
from watchtower import course, moments, scores
from watchtower.course import Course

_LOSS_DIGITS, _RATE_DIGITS = 6, 9


def curve_of(world: World, battle: Battle, *, points: int = MOST_CURVE_POINTS) -> dict[str, Any]:
    """Columns of at most `points` steps that keep every stretch's lowest and highest loss.

    `loss` in nats, `seconds` spent in steps and `tokens` read up to each step, `memory` in bytes; beside them the
    losses of each validation set, answers judged, and moments. null is what is no finite number.
    """
    path = steps.path_of(world, battle.battle_id)
    whole = Course.of(steps.read(path, 0, steps.count(path)))
    shown = whole.thinned(points)
    return {
        "battle": battle.battle_id,
        "hero": battle.hero,
        "quest": battle.quest.name,
        "state": battle.state,
        "steps": len(whole),
        "first_step": int(whole.records["step"][0]) - 1 if len(whole) else battle.first_step,
        "step": shown.records["step"].tolist(),
        "quest_step": shown.records["quest_step"].tolist(),
        "loss": column(shown.records["loss"], _LOSS_DIGITS),
        "lr": column(shown.records["learning_rate"], _RATE_DIGITS),
        **course.columns(shown),
        "validation": scores.curves(scores.scores_of(battle.battle_id)),
        "accuracy": _accuracy(battle.hero, whole),
        "marks": moments.of_battles([battle.battle_id]),
    }


def _accuracy(hero: str, whole: Course) -> list[list[Any]]:
    """`[step, accuracy, skill, level]` of the hero's evaluations within the battle's steps."""
    if not len(whole):
        return []
    first, last = int(whole.records["step"][0]), int(whole.records["step"][-1])
    trials = [trial for trial in accuracy_history(hero) if first <= trial.step <= last]
    return [[trial.step, trial.accuracy, trial.skill, trial.level] for trial in trials]
