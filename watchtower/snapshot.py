"""The messages of `/ws/battle/`, made from one view. All times are Unix seconds; what is unknown is null."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from arena import steps
from arena.convergence import WINDOW, Convergence
from arena.steps import Records, column, finite
from guild.selectors import accuracy_history
from realm.world import World
from watchtower import course, moments, scores, selectors, strength
from watchtower.course import Course
from watchtower.hero import HeroCard
from watchtower.history import Chapter, chapters
from watchtower.selectors import BattleFacts
from watchtower.view import View, first_look

MOST_TICK_POINTS = 500
MOST_EVALUATIONS = 200
_LOSS_DIGITS = 6
_RATE_DIGITS = 9


def build_snapshot(world: World, hero: str) -> dict[str, Any]:
    """The `snapshot` message as of now; for a page's first paint."""
    return snapshot_of(world, first_look(world, hero))


def snapshot_of(world: World, view: View) -> dict[str, Any]:
    """Everything of the view: its steps up to `view.count`, its events up to `view.seq`."""
    facts = view.facts
    told = chapters(world, view.card.name, facts, view.count) if facts else []
    return {
        "v": 1,
        "type": "snapshot",
        "seq": view.seq,
        "server_time": view.looked_at,
        "hero": hero_part(view),
        "arena": arena_part(view),
        "battle": battle_part(view, facts) if facts else None,
        "curve": curve_part(told),
        "course": course_part(told),
        "marks": moments.of_battles([chapter.battle for chapter in told]),
        "validation": validation_part(told),
        "accuracy": accuracy_part(view),
        "events": selectors.last_events(view.seq),
    }


def tick_of(view: View) -> dict[str, Any]:
    """The `tick` message without its points, which differ from client to client."""
    live = live_numbers(view, view.facts) if view.facts else dict.fromkeys(_LIVE_KEYS)
    return {
        "v": 1,
        "type": "tick",
        "seq": view.seq,
        "server_time": view.looked_at,
        "run": view.facts.battle if view.facts else None,
        "state": view.facts.state if view.facts else None,
        "total": view.facts.total if view.facts else None,
        **live,
        "acc": finite(view.accuracy),
        "arena": arena_part(view),
        "hero": hero_part(view),
    }


def hero_part(view: View) -> dict[str, Any]:
    return asdict(_card(view))


def _card(view: View) -> HeroCard:
    if view.facts is None or not view.facts.running or not len(view.tail):
        return view.card
    return view.card.fighting(view.tail["loss"][-strength.ATTACK_STEPS :]).at_step(int(view.tail["step"][-1]))


def arena_part(view: View) -> dict[str, Any]:
    return {
        "alive": view.arena.alive,
        "state": view.arena.state,
        "message": view.arena.message,
        "waits": view.arena.waits,
        "age_s": finite(view.age_seconds, 3),
        "stale": view.stale,
    }


def battle_part(view: View, facts: BattleFacts) -> dict[str, Any]:
    return {
        "id": facts.battle,
        "quest": facts.quest,
        "skill": facts.skill,
        "level": facts.level,
        "state": facts.state,
        "first_step": facts.first_step,
        "total": facts.total,
        "started_at": facts.started_at.timestamp(),
        "memory": memory_part(view),
        **live_numbers(view, facts),
    }


def memory_part(view: View) -> dict[str, int | None] | None:
    """Bytes by component. Sizes of tensors are exact; what is left of the newest step's peak is `rest`."""
    estimated = (view.forecast or {}).get("memory")
    if not estimated:
        return None
    held = {name: int(estimated.get(name) or 0) for name in ("weights", "gradients", "optimizer", "process")}
    peak = _newest_peak(view)
    return held | {"rest": None if peak is None else max(0, peak - sum(held.values())), "peak": peak}


def _newest_peak(view: View) -> int | None:
    return int(view.tail["memory_bytes"][-1]) if len(view.tail) else None


_LIVE_KEYS = (
    "step", "quest_step", "t", "sps", "loss", "ema", "val", "lr", "gnorm", "tok_s", "eta_s", "elapsed_s",
    "mean", "spread", "mem", "est_s", "est_mem", "err_s", "err_mem",
)  # fmt: skip


def live_numbers(view: View, facts: BattleFacts) -> dict[str, Any]:
    """What the newest step and the minute before it tell; speed and ETA only while the battle really runs."""
    last = view.tail[-1] if len(view.tail) else None
    speed = steps.rates(view.tail) if facts.running and view.arena.alive else steps.Rates(None, None)
    quest_step = int(last["quest_step"]) if last is not None else 0
    eta = None
    if speed.steps_per_second and facts.total is not None:
        eta = max(0, facts.total - quest_step) / speed.steps_per_second
    return {
        "step": int(last["step"]) if last is not None else facts.first_step,
        "quest_step": quest_step,
        "t": finite(last["time"], 3) if last is not None else None,
        "sps": finite(speed.steps_per_second, 3),
        "loss": finite(last["loss"], _LOSS_DIGITS) if last is not None else None,
        "ema": finite(steps.ema(view.tail["loss"]), _LOSS_DIGITS),
        "val": finite(view.validation_loss),
        "lr": finite(last["learning_rate"], _RATE_DIGITS) if last is not None else None,
        "gnorm": finite(last["grad_norm"], _LOSS_DIGITS) if last is not None else None,
        "tok_s": finite(speed.tokens_per_second, 1),
        "eta_s": finite(eta, 1),
        "elapsed_s": finite(_elapsed(view, facts), 1),
        **_rolling(view.tail),
        **_estimated(view),
    }


def _rolling(tail: Records) -> dict[str, Any]:
    """Mean and standard deviation of the newest losses, as the trainer sees them: see arena.convergence."""
    convergence = Convergence()
    for step, loss in zip(tail["step"][-WINDOW:].tolist(), tail["loss"][-WINDOW:].tolist(), strict=True):
        if math.isfinite(loss):
            convergence.add(step, loss)
    variance = convergence.variance
    spread = None if variance is None else math.sqrt(variance)
    return {"mean": finite(convergence.mean, _LOSS_DIGITS), "spread": finite(spread, _LOSS_DIGITS)}


def _estimated(view: View) -> dict[str, Any]:
    """Seconds and bytes as they were estimated, and, after the battle, the errors as fractions of what was measured."""
    forecast, measured = view.forecast or {}, view.measured or {}
    return {
        "mem": _newest_peak(view),
        "est_s": finite(forecast.get("seconds"), 1),
        "est_mem": (forecast.get("memory") or {}).get("peak"),
        "err_s": finite(measured.get("seconds_error"), 4),
        "err_mem": finite(measured.get("memory_error"), 4),
    }


def _elapsed(view: View, facts: BattleFacts) -> float:
    """Since the battle began: until now while it runs, else until its end or its newest step."""
    start = facts.started_at.timestamp()
    if facts.running and view.arena.alive:
        end = view.looked_at
    elif facts.ended_at is not None:
        end = facts.ended_at.timestamp()
    else:
        end = float(view.tail["time"][-1]) if len(view.tail) else start
    return max(0.0, end - start)


def curve_part(told: list[Chapter]) -> dict[str, list[Any]]:
    """`battles` says where each battle begins: `[first_step, quest]`, the steps after `first_step` are its own."""
    records = course.joined([chapter.course for chapter in told]).records
    return {
        "step": records["step"].tolist(),
        "loss": column(records["loss"], _LOSS_DIGITS),
        "lr": column(records["learning_rate"], _RATE_DIGITS),
        "battles": [[chapter.first_step, chapter.quest] for chapter in told],
    }


def course_part(told: list[Chapter]) -> dict[str, list[Any]]:
    """What stands beside each step of the curve; tokens and seconds are counted from its beginning."""
    return course.columns(course.joined([chapter.course for chapter in told]))


def validation_part(told: list[Chapter]) -> list[dict[str, Any]]:
    """The curves of the battles shown, one for each set, without what was rolled back."""
    ends = [*(chapter.first_step for chapter in told), math.inf][1:]
    ends = [min(end, math.inf if each.until is None else each.until) for each, end in zip(told, ends, strict=True)]
    return scores.curves(
        score
        for chapter, end in zip(told, ends, strict=True)
        for score in scores.scores_of(chapter.battle)
        if chapter.first_step <= score.step <= end
    )


def accuracy_part(view: View) -> list[list[Any]]:
    """`[step, accuracy, skill, level]` of the hero's newest evaluations, oldest first."""
    history = accuracy_history(view.card.name, limit=MOST_EVALUATIONS)
    return [[trial.step, trial.accuracy, trial.skill, trial.level] for trial in history]


def points_part(records: Records) -> list[list[Any]]:
    """`[step, loss, lr]` of new steps, thinned when there are many."""
    chosen = steps.thin(records, MOST_TICK_POINTS)
    columns = (
        chosen["step"].tolist(),
        column(chosen["loss"], _LOSS_DIGITS),
        column(chosen["learning_rate"], _RATE_DIGITS),
    )
    return [list(point) for point in zip(*columns, strict=True)]


def beside_points(records: Records) -> list[list[Any]]:
    """`[norm, tokens, seconds, memory]` of the same steps; tokens and seconds since the first of `records` began."""
    chosen = course.columns(Course.of(records).thinned(MOST_TICK_POINTS))
    return [list(point) for point in zip(*chosen.values(), strict=True)]
