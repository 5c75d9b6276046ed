"""When a battle has learned what it can: the loss over rows that are never trained on no longer falls.

Judged by the scores that the battle's log holds, so that a run which goes on where another was killed judges alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from arena.protocol import Event, EventKind, Order
from arena.recipe import Recipe
from arena.training.reporting.battle_log import BattleLog
from arena.training.scoring import Scores
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import step_of
from realm.checkpoints.sidecar import DamagedCheckpoint, MeasuredOver, Sidecar
from realm.quest_names import is_own_name


@dataclass(frozen=True, kw_only=True)
class Scored:
    """The watched set's loss at one step."""

    step: int
    loss: float
    event: Event


@dataclass(frozen=True, kw_only=True)
class EarlyStop:
    """Why a battle ends before its last step, and what the hero goes on from."""

    now: Scored
    best: Scored
    what: str
    """`held-out loss`, or `validation loss`."""

    def __str__(self) -> str:
        if self.best is self.now:
            return f"stopped early at step {self.now.step}: {self.what} {self.now.loss:.4f} falls no further"
        rose = f"{self.what} rose from {self.best.loss:.4f} at step {self.best.step} to {self.now.loss:.4f}"
        return f"stopped early at step {self.now.step}: {rose}; the hero goes on as it was at step {self.best.step}"

    def to_data(self) -> dict[str, Any]:
        best, now = self.best, self.now
        return {"best_step": best.step, "best_loss": best.loss, "loss": now.loss, "what": self.what}


def find(order: Order, log: BattleLog, *, step: int) -> EarlyStop | None:
    """Whether the battle is over at `step`, at which it was scored just now; None where it goes on.

    It is over when the last `early_stop_patience` scores did not lower the best one before them by more than
    `early_stop_least`. The hero goes on from the best of those scores whose checkpoint lies whole, if one is better
    than what it has. A quest of the guild's ends when its level is won: the loss on a new level rises before it falls.
    """
    what, scores = _watched(order, [event for event in log.standing(EventKind.VALIDATED) if event.step <= step])
    if not _is_over(order.recipe, scores, step=step) or not is_own_name(order.quest):
        return None
    better = sorted((one for one in scores if one.loss < scores[-1].loss), key=lambda one: (one.loss, one.step))
    best = next((one for one in better if one.step == 0 or checkpoint_at(order, one.step)), None)
    return EarlyStop(now=scores[-1], best=best or scores[-1], what=what)


def is_over(order: Order, log: BattleLog, *, step: int) -> bool:
    """Whether `find` finds anything: asked before what is on its way to the disk is waited for."""
    _, scores = _watched(order, [event for event in log.standing(EventKind.VALIDATED) if event.step <= step])
    return is_own_name(order.quest) and _is_over(order.recipe, scores, step=step)


def _is_over(recipe: Recipe, scores: Sequence[Scored], *, step: int) -> bool:
    if not recipe.early_stop_patience or not scores or scores[-1].step != step:
        return False
    return _without_gain(scores, recipe.early_stop_least) >= recipe.early_stop_patience


def of_checkpoint(order: Order, log: BattleLog, saved: Sidecar) -> EarlyStop | None:
    """Why the battle ended early with this last checkpoint; None where something else ended it."""
    stop = find(order, log, step=saved.step)
    return stop if stop and scores_at(stop.best).losses == saved.val_losses else None


def checkpoint_at(order: Order, step: int) -> Sidecar | None:
    """The whole checkpoint of that step on the line of the battle's branch."""
    for folder in branches.line_folders(Path(order.hero_folder), order.branch):
        if step_of(folder.name) == step:
            try:
                return sidecar.verify(folder)
            except DamagedCheckpoint:
                continue
    return None


def scores_at(best: Scored) -> Scores:
    """What was measured by the weights that the hero goes on from."""
    data = best.event.data
    over = data.get("val_set")
    return Scores(
        losses=data["losses"],
        sets={name: MeasuredOver(**measured) for name, measured in data["sets"].items()},
        val_loss=data["val_loss"],
        val_set=MeasuredOver(**over) if over else None,
        whole=bool(data.get("whole")),
    )


def _watched(order: Order, newest_first: Sequence[Event]) -> tuple[str, list[Scored]]:
    """The rows held out of the quest itself; without such all that the hero was taught. The oldest score first."""
    own = next((one.name for one in order.validation_sets if one.always), None)
    if own is not None:
        told = [(event, event.data["losses"].get(own), event.data["sets"].get(own)) for event in newest_first]
    else:
        told = [(event, event.data["val_loss"], event.data.get("val_set")) for event in newest_first]
    over = next((measured for _, loss, measured in told if loss is not None), None)
    same = [(event, loss) for event, loss, measured in told if loss is not None and measured == over]
    scores = [Scored(step=event.step, loss=loss, event=event) for event, loss in reversed(same)]
    return "validation loss" if own is None else "held-out loss", scores


def _without_gain(scores: Sequence[Scored], least: float) -> int:
    """How many of the newest scores did not lower the best one before them by more than `least`."""
    best, waited = scores[0].loss, 0
    for one in scores[1:]:
        if one.loss < best - least:
            best, waited = one.loss, 0
        else:
            waited += 1
    return waited
