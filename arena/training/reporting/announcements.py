"""What a battle says of itself: one function an event, in words for the player and in numbers for the daemon.

A run that goes on where another was killed says nothing twice: the log knows what was said and still holds.
"""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from arena.convergence import Trend
from arena.hero.origin import is_adapter
from arena.protocol import EventKind, Order
from arena.training.control import Request
from arena.training.data import LoadedQuest, PackedQuest
from arena.training.early_stop import EarlyStop
from arena.training.faults import Fault, StepFault, named_lines
from arena.training.packing_certificate import Certificate
from arena.training.reporting.battle_estimate import Forecast
from arena.training.reporting.battle_log import BattleLog
from arena.training.reporting.non_finite import NotFinite
from arena.training.scoring import Scores
from arena.training.start import Trainee
from realm.checkpoints.cursor import Cursor
from realm.checkpoints.sidecar import Sidecar

_log = logging.getLogger(__name__)

LONGEST_MESSAGE = 400
MOST_LINES = 1000
MOST_SETS = 3
"""Named in the words of an event; its data has all."""


def begun(
    log: BattleLog,
    trainee: Trainee,
    quest: PackedQuest,
    cursor: Cursor,
    *,
    loaded: LoadedQuest,
    proof: Certificate,
    expected: Forecast,
    loss_before: float | None,
) -> None:
    """What is about to be trained, of which rows, from where; begun anew or resumed."""
    order, resumed = trainee.order, log.has(EventKind.BATTLE_STARTED)
    own = len(quest.examples) - quest.rehearsed
    passes = {1: "once", 2: "twice"}.get(quest.passes, f"{quest.passes} times")
    beside = f" and {quest.rehearsed} rehearsed {passes}" if quest.rehearsed else ""
    what = (
        f"goes on at step {cursor.quest_step} of {quest.total_steps}"
        if resumed
        else f"{_many(own, 'lesson')}{beside} in {_many(quest.total_steps, 'step')}"
    )
    log.write(
        EventKind.BATTLE_RESUMED if resumed else EventKind.BATTLE_STARTED,
        step=trainee.step,
        message=f"{order.quest}: {what}; {proof.summary()}{mode_change(trainee)}{fresh_moments(trainee)}",
        goes_on_from_mode=trainee.mode_before,
        quest=order.quest,
        # Where the battle stands.
        first_step=trainee.step - cursor.quest_step,
        quest_step=cursor.quest_step,
        total_steps=quest.total_steps,
        # What became of the quest's rows.
        examples=own,
        rehearsed=quest.rehearsed,
        rehearsal_passes=quest.passes,
        refused=loaded.refused_count,
        truncated=loaded.truncated,
        tokens=quest.tokens,
        trained_share=quest.trained_share,
        row_fill=quest.fill,
        certificate=proof.to_data(),
        **({} if loss_before is None else {"loss_before": loss_before}),
        # With what it is trained, and what that will take.
        device=str(trainee.hero.device),
        threads=torch.get_num_threads(),
        checkpoint=trainee.saved.name if trainee.saved else None,
        weights_only=bool(trainee.saved and trainee.saved.thinned),
        unscored_tokens=trainee.saved.unscored_tokens if trainee.saved else 0,
        estimate=expected.to_data(),
    )


def fresh_moments(trainee: Trainee) -> str:
    """Said where the hero goes on from weights alone; empty where not."""
    if trainee.saved is None or trainee.saved.thinned is None:
        return ""
    return (
        f"; the moments of {trainee.saved.name} made room on {trainee.saved.thinned.at[:10]}: the optimizer begins "
        "anew, and the rate warms up again"
    )


def mode_change(trainee: Trainee) -> str:
    """What becomes of the newest checkpoint, if the hero goes on in another mode; empty if not."""
    was, mode = trainee.mode_before, trainee.order.recipe.mode
    if was is None:
        return ""
    if not is_adapter(mode):
        return f"; the adapter trained in mode {was} is merged, and all weights train from here on (mode {mode})"
    what = "the same adapter" if is_adapter(was) else "a new adapter on its weights"
    return f"; so far the hero trained in mode {was}, from here on {what} (mode {mode})"


def stagnation(log: BattleLog, *, step: int, seen: str) -> None:
    """Unless it was told of this step."""
    if not any(event.step == step for event in log.standing(EventKind.CONVERGENCE_WARNING)):
        message = f"The loss no longer falls: {seen}"
        log.write(EventKind.CONVERGENCE_WARNING, step=step, message=message, warning=Trend.STAGNATION)


def validated(log: BattleLog, scores: Scores, *, step: int, quest_step: int) -> None:
    """Unless it was told of this step; with the loss before it over the same rows."""
    told = list(log.standing(EventKind.VALIDATED))
    if any(event.step == step for event in told):
        return
    over = asdict(scores.val_set) if scores.val_set else None
    alike = (event.data["val_loss"] for event in told if over and event.data.get("val_set") == over)
    log.write(
        EventKind.VALIDATED,
        step=step,
        message=_losses_in_words(scores),
        quest_step=quest_step,
        val_loss=scores.val_loss,
        val_set=over,
        losses=scores.losses,
        sets={name: asdict(measured) for name, measured in scores.sets.items()},
        previous=next(alike, None),
        tokens=scores.tokens,
        seconds=round(scores.seconds, 4),
        whole=scores.whole,
    )


def _losses_in_words(scores: Scores) -> str:
    if scores.val_loss is not None and scores.val_set:
        return f"Validation loss {scores.val_loss:.4f} over {scores.val_set.rows} rows"
    first = [f"{name} {loss:.4f}" for name, loss in list(scores.losses.items())[:MOST_SETS]]
    more = f" and {len(scores.losses) - MOST_SETS} more" if len(scores.losses) > MOST_SETS else ""
    return f"Validation losses: {', '.join(first)}{more}"


def undone(
    log: BattleLog,
    fault: StepFault,
    trainee: Trainee,
    *,
    lines: list[int],
    flagged: Path | None,
    place: NotFinite | None,
) -> None:
    """A step that went wrong: where and on which rows, and that `trainee` stands before it again."""
    saved = trainee.saved
    back = saved.name if saved else "the beginning: there is no older checkpoint"
    log.write(
        EventKind.FAULT,
        step=fault.record.step,
        message=f"{fault}; {f'{place}; ' if place else ''}{named_lines(lines)}; back to {back}"[:LONGEST_MESSAGE],
        fault=fault.fault,
        quest_step=fault.record.quest_step,
        lines=lines[:MOST_LINES],
        not_finite=place.to_data() if place else None,
        flagged=flagged.name if flagged else None,
        checkpoint=saved.name if saved else None,
        undone_after=trainee.step if fault.fault == Fault.DIVERGENCE else None,
    )


def rate_changed(log: BattleLog, rate: float, *, recipe_rate: float, step: int, quest_step: int) -> None:
    """The player lowered the learning rate: from the next step on."""
    log.write(
        EventKind.RATE_CHANGED,
        step=step,
        message=f"Learning rate {rate:g} from step {step + 1} on; the recipe says {recipe_rate:g}",
        learning_rate=rate,
        quest_step=quest_step,
    )


def shrunk(log: BattleLog, *, step: int, quest_step: int, was: int, rows: int, shortage: str) -> None:
    """Memory ran short, and the step is done again with fewer rows at once."""
    log.write(
        EventKind.FAULT,
        step=step,
        message=f"Out of memory: {rows} rows at once from here on instead of {was}",
        fault=Fault.OUT_OF_MEMORY,
        quest_step=quest_step,
        rows_per_micro_batch=rows,
        reason=shortage[:LONGEST_MESSAGE],
    )


def save_put_off(*, step: int) -> None:
    """Into the trainer's own log; the battle's log has it with the checkpoint that came late."""
    _log.warning("step %d: its save is put off, since the one before is still being written to slow storage", step)


def saved(log: BattleLog, checkpoint: Sidecar, *, put_off_steps: int = 0, **data: Any) -> None:
    """That a checkpoint is there, and how late; a run killed between its rename and this line left it to the next."""
    if log.has(EventKind.CHECKPOINT_SAVED, name=checkpoint.name):
        return
    late = f", {_many(put_off_steps, 'step')} late: the storage is slow" if put_off_steps else ""
    log.write(
        EventKind.CHECKPOINT_SAVED,
        step=checkpoint.step,
        message=f"Checkpoint {checkpoint.step:,} saved{late}",
        name=checkpoint.name,
        train_loss=checkpoint.train_loss,
        val_loss=checkpoint.val_loss,
        size_bytes=sum(proof.size_bytes for proof in checkpoint.files.values()),
        **({"put_off_steps": put_off_steps} if put_off_steps else {}),
        **data,
    )


def save_failed(log: BattleLog, failure: Exception, *, step: int) -> None:
    message = f"{failure}; training goes on from memory"
    log.write(EventKind.CHECKPOINT_FAILED, step=step, message=message, reason=str(failure))


def left_early(log: BattleLog, requested: Request, *, step: int, quest_step: int) -> None:
    stopped = requested == Request.STOP
    log.write(
        EventKind.BATTLE_STOPPED if stopped else EventKind.BATTLE_PAUSED,
        step=step,
        message=f"{'Stopped' if stopped else 'Resting'} at step {step}, which is kept safe",
        asked=requested,
        quest_step=quest_step,
    )


def paused_for_faults(log: BattleLog, order: Order, reason: str, *, step: int, quest_step: int) -> None:
    """The battle pauses by itself: what went wrong would go wrong again."""
    where = f"; the rows are written down in {Path(order.flagged_folder).name}" if order.flagged_folder else ""
    log.write(
        EventKind.BATTLE_PAUSED,
        step=step,
        message=f"Resting at step {step}: {reason}{where}",
        asked="faults",
        reason=f"{order.quest}: {reason}{where}; resume tries again, skip leaves the quest",
        quest_step=quest_step,
    )


def completed(
    log: BattleLog,
    order: Order,
    checkpoint: Sidecar,
    *,
    steps: int,
    all_steps: int,
    measured: dict[str, Any] | None,
    stop: EarlyStop | None,
) -> None:
    """All steps of the quest are done, or as many as were needed or taught something.

    `measured` is what they took, by the run that did the last of them.
    """
    done = _all_done(steps) if steps == all_steps else f"its level was won after {steps} of {_many(all_steps, 'step')}"
    log.write(
        EventKind.BATTLE_COMPLETED,
        step=checkpoint.step,
        message=f"{order.quest}: {stop or done}",
        quest=order.quest,
        steps=steps,
        early_stop=stop.to_data() if stop else None,
        train_loss=checkpoint.train_loss,
        val_loss=checkpoint.val_loss,
        checkpoint=checkpoint.name,
        measured=measured,
    )


def _many(count: int, what: str) -> str:
    return f"1 {what}" if count == 1 else f"{count} {what}s"


def _all_done(steps: int) -> str:
    return "its one step is done" if steps == 1 else f"all {steps} steps done"
