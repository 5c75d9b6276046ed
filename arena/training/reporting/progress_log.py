"""A battle in the trainer's log: its speed and loss every hundred steps, each of its events, its errors at the end.

A line of it costs a fifth of a millisecond, of a hundred steps; nothing is read from the device for it.
"""

from __future__ import annotations

import logging
from datetime import timedelta
from statistics import fmean, pvariance
from typing import Any

from arena import battle_errors
from arena.battle_errors import Errors
from arena.protocol import Event, EventKind, StepRecord

log = logging.getLogger(__name__)

EVERY_STEPS = 100
_LEVELS = dict.fromkeys(battle_errors.KINDS, logging.WARNING) | {EventKind.BATTLE_FAILED: logging.ERROR}
"""Of what went wrong; all else is news."""


class ProgressLog:
    """Fed with every step's record in order; what a rollback undoes is told again when it is done again."""

    def __init__(self, battle: str) -> None:
        self._battle = battle
        self._records: list[StepRecord] = []

    def add(self, record: StepRecord, *, total_steps: int) -> None:
        if self._records and record.quest_step <= self._records[-1].quest_step:
            self._records.clear()
        self._records.append(record)
        if record.quest_step % EVERY_STEPS == 0:
            told = statistics_of(self._records, total_steps=total_steps)
            log.info(_in_words(told), extra={"event": "training_statistics", "battle": self._battle, **told})
            self._records.clear()


def statistics_of(records: list[StepRecord], *, total_steps: int) -> dict[str, Any]:
    """Of steps that lie one behind the other: losses in nats, speeds by the time that the steps themselves took."""
    last = records[-1]
    losses = [record.loss for record in records]
    seconds = sum(record.step_seconds for record in records)
    steps_per_second = len(records) / seconds if seconds > 0 else None
    return {
        "step": last.step,
        "quest_step": last.quest_step,
        "total_steps": total_steps,
        "steps": len(records),
        "loss_avg": fmean(losses),
        "loss_variance": pvariance(losses),
        "loss_min": min(losses),
        "loss_max": max(losses),
        "learning_rate": last.learning_rate,
        "grad_norm_avg": fmean(record.grad_norm for record in records),
        "grad_norm_max": max(record.grad_norm for record in records),
        "steps_per_second": steps_per_second,
        "tokens_per_second": sum(record.tokens for record in records) / seconds if seconds > 0 else None,
        "seconds_left": (total_steps - last.quest_step) / steps_per_second if steps_per_second else None,
        "memory_bytes": max(record.memory_bytes for record in records),
    }


def _in_words(told: dict[str, Any]) -> str:
    left = "" if told["seconds_left"] is None else f", {timedelta(seconds=round(told['seconds_left']))} to go"
    speed = "" if told["tokens_per_second"] is None else f", {told['tokens_per_second']:,.0f} tokens/s"
    return (
        f"step {told['quest_step']} of {told['total_steps']}: loss {told['loss_avg']:.4f} "
        f"(variance {told['loss_variance']:.3g}), rate {told['learning_rate']:.3g}, "
        f"gradient {told['grad_norm_avg']:.3g}{speed}{left}, {told['memory_bytes'] / 1e6:,.0f} MB"
    )


def log_event(battle: str, event: Event) -> None:
    """As the battle's own file has it, its numbers as fields."""
    fields = {"event": str(event.kind), "battle": battle, "step": event.step, "data": event.data}
    log.log(_LEVELS.get(event.kind, logging.INFO), "%s", event.message, extra=fields)


def log_errors(battle: str, errors: dict[str, Errors]) -> None:
    """What went wrong in a battle that has ended: how often each kind, first and last."""
    counted = battle_errors.to_data(errors)
    words = ", ".join(f"{own.count} {kind}" for kind, own in errors.items())
    message = f"{battle}: {counted['total']} errors: {words}" if errors else f"{battle}: no errors"
    fields = {"event": "error_summary", "battle": battle, **counted}
    log.log(logging.WARNING if errors else logging.INFO, "%s", message, extra=fields)
