"""The training loop, top to bottom: recipe, hero, quest, certificate, steps, checkpoints, end.

Read beside it, in this order: start.py (what a battle begins from), ../rows/masking.py (what is trained on),
../rows/packing.py, data.py and batch.py (rows of a step), loss.py and ../hero/attention.py, scoring.py (the loss over
rows that are never trained on), early_stop.py, optimizer.py with muon.py and average.py, lowered_rate.py (what the
player asked for), faults.py (what goes wrong in a step), packing_certificate.py (packed equals alone), ranks.py
(several processes); saving/ with checkpoint.py (the commit point), saver.py (writing it beside the training),
full_disk.py (waiting for room); reporting/ with metrics.py (what a step measured), row_losses.py (its rows that the
hero knew least), work.py, memory.py and coverage.py (what a checkpoint says beside), non_finite.py (where a step went
wrong), battle_estimate.py (what a battle takes), battle_log.py, announcements.py and answers.py (to the evaluation
sets). service.py keeps a process warm between battles; replay.py does one step again; __main__.py is the command line.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from time import monotonic

import numpy as np
import torch
from torch import Tensor

from arena.convergence import Convergence, Trend
from arena.hero import model as heroes
from arena.protocol import REFUSED_FILE, EventKind, Order, StepRecord, portable_path
from arena.recipe import Recipe
from arena.training import average, early_stop, lowered_rate, optimizer, packing_certificate, scoring, shortage
from arena.training.batch import Batch
from arena.training.control import Control, Request
from arena.training.data import LoadedQuest, PackedQuest
from arena.training.faults import (
    Fault,
    FaultHistory,
    OutOfMemory,
    StepFault,
    flag_examples,
    is_out_of_memory,
)
from arena.training.loss import mean_loss, token_losses
from arena.training.lowered_rate import LoweredRate
from arena.training.ranks import ALONE, Ranks, bring_together, gathered, sync_gradients
from arena.training.reporting import announcements, answers, memory, non_finite
from arena.training.reporting.answers import Answers
from arena.training.reporting.battle_estimate import Forecast, forecast
from arena.training.reporting.battle_log import BattleLog
from arena.training.reporting.coverage import UpdateCoverage
from arena.training.reporting.metrics import MeasuredStep, StepMeter, memory_in_use
from arena.training.reporting.non_finite import NotFinite
from arena.training.reporting.row_losses import RowLosses
from arena.training.reporting.work import WorkMeter
from arena.training.saving import checkpoint
from arena.training.saving.full_disk import Room
from arena.training.saving.saver import Draft, SaveFailed, Saver
from arena.training.scoring import NOT_SCORED, LoadedSet, Progress, Scores
from arena.training.shortage import SHORT_WITH_ONE_ROW
from arena.training.start import (
    Trainee,
    convergence_until,
    cursor_of,
    make_repeatable,
    newest_by_name,
    ready_quest,
    ready_trainee,
    seed_other_ranks,
    trainee_at,
)
from realm.checkpoints.cursor import Cursor
from realm.disk import durable
from realm.quest_names import is_own_name

WAIT_SECONDS = 0.1
ROWS_BEFORE = 16
"""Of a quest, scored before its first step."""


@dataclass
class Run:
    """One battle under way: everything that changes while it runs."""

    order: Order
    log: BattleLog
    control: Control
    room: Room
    trainee: Trainee
    quest: PackedQuest
    validation: list[LoadedSet]
    cursor: Cursor
    ranks: Ranks
    saver: Saver
    meter: StepMeter
    work: WorkMeter
    convergence: Convergence
    faults: FaultHistory
    lowered: LoweredRate
    saved_at: float
    """Monotonic seconds."""
    put_off_at: int | None = None
    """The hero's step at which a save came due that is put off since; None for none."""
    learning_rate: float = 0.0
    scores: Scores = NOT_SCORED
    """Of the weights as they are, if they were measured at this step."""
    answered: list[Answers] = field(default_factory=list)
    """By the weights of the checkpoint on its way to the disk; told once it is there."""
    forecast: Forecast | None = None
    """None before the run was announced."""
    coverage: UpdateCoverage | None = None
    """None where the run has no step to do."""


# ----------------------------------------------------------------------------------------------------------------------
# The battle: what it begins from, its loop, what is asked of it, its end.


def train(
    order: Order, log: BattleLog, control: Control, warm: Trainee | None, room: Room, ranks: Ranks = ALONE
) -> Trainee:
    """Run one battle from where its newest checkpoint stands until it is done or something else is asked.

    Returns what may stay warm. The last event said is one of `arena.protocol.ENDINGS`. Under a launcher every rank runs
    this, and all of them pass the same points in the same order.
    """
    # The hero at its newest whole checkpoint.
    make_repeatable(order.recipe)
    trainee = ready_trainee(order, log, warm, ranks)
    if log.has(EventKind.BATTLE_COMPLETED) and trainee.saved and trainee.saved.battle != order.battle:
        return trainee  # an old order: the hero has moved on since

    # The quest, in packed rows.
    control.mark_progress()
    battle_folder = Path(order.battle_folder)  # a quest that memory does not hold lies there in a nameless file
    loaded, quest = room.write(lambda: ready_quest(order, trainee.hero, control.mark_progress), where=battle_folder)

    # The run from that checkpoint on: what a killed one did after it is done again.
    log.cut_steps_after(trainee.step)
    run = Run(
        order=order,
        log=log,
        control=control,
        room=room,
        trainee=trainee,
        quest=quest,
        validation=scoring.load_sets(order, trainee.hero),
        cursor=cursor_of(order, trainee.saved),
        ranks=ranks,
        saver=Saver(
            Path(order.hero_folder),
            room,
            trainee.hero.device,
            before_writing=log.sync,
            while_waiting=control.mark_progress,
            writes=ranks.is_main,
        ),
        meter=StepMeter(trainee.hero.device),
        work=WorkMeter(trainee.hero.device),
        convergence=Convergence(),
        faults=FaultHistory.of(log.events),
        lowered=LoweredRate.of(log.events),
        saved_at=monotonic(),
    )

    with closing(run.saver):
        train_quest(run, loaded)
    return run.trainee


def train_quest(run: Run, loaded: LoadedQuest) -> None:
    """The loop itself: step, watch, save, until the quest is done, something else is asked, or too much goes wrong."""
    # What is about to be trained, and what a killed run left unsaid.
    beginning, saved = run.cursor, run.trainee.saved
    if not run.cursor.finished:
        announce(run, loaded)
    run.convergence = convergence_until(run.log, run.trainee)
    if saved and saved.battle == run.order.battle:
        announcements.saved(run.log, saved)
    answer_saved(run)

    # The steps, and what is measured before the first of them.
    run.coverage = coverage_of(run)
    begin_together(run)
    run.saver.prepare(run.trainee.hero, run.trainee.optimizer)
    if not run.cursor.quest_step:
        score_first(run)
    heed_rate(run)
    while not run.cursor.finished:
        if run.ranks.of_main(run.control.take_rate_asked()):
            heed_rate(run)

        # One step, measured and watched; one that goes wrong is undone.
        try:
            if not take_step(run):
                continue
            requested = requested_of(run)
            if requested == Request.FINISH:
                run.cursor = replace(run.cursor, finished=True)
            due = save_is_due(run)
            watch(run, run.meter.ready(wait=due or run.cursor.finished or bool(requested) or not run.ranks.alone))
        except StepFault as fault:
            reason = roll_back(run, fault)
            if reason:
                end_for_faults(run, reason)
                return
            continue

        # Validation, and the checkpoint that is due: beside the training, or before it ends.
        run.scores = validate(run, saving=due)
        end_if_learned(run)
        if run.cursor.finished or requested:
            save_and_wait(run)
            if run.cursor.finished:  # a battle that goes on later answers then
                with gathered(run.trainee.hero):
                    answer_saved(run)
        elif due:
            save_beside(run)

        # Whatever has reached the disk meanwhile; then an early end.
        tell_saved(run)
        wait_for_room(run)
        if requested and not run.cursor.finished:
            end_early(run, requested)
            return

    # The end, unless a run before this one said it.
    if run.cursor != beginning or not run.log.has(EventKind.BATTLE_COMPLETED):
        complete(run)


def announce(run: Run, loaded: LoadedQuest) -> None:
    """Prove the packing, then say what is about to be trained."""
    proof = packing_certificate.certify(run.trainee.hero, run.quest)
    packing_certificate.check(proof)
    folder, refused = Path(run.order.battle_folder), [asdict(refusal) for refusal in loaded.refused]
    if run.ranks.is_main:
        run.room.write(lambda: durable.write_json(folder / REFUSED_FILE, refused), where=folder)
    run.forecast = forecast(run.trainee, run.quest, run.cursor, run.log, ranks=run.ranks.count)
    before = None if run.log.has(EventKind.BATTLE_STARTED) else loss_before(run)
    announcements.begun(
        run.log, run.trainee, run.quest, run.cursor,
        loaded=loaded, proof=proof, expected=run.forecast, loss_before=before,
    )  # fmt: skip


def loss_before(run: Run) -> float | None:
    """Mean loss over rows from all of the quest: what the loss of its steps is later held against.

    That of a single step would not do: a step of few rows may hold nothing but what the hero knows best. None where it
    is not finite.
    """
    rows = sorted({int(row) for row in np.linspace(0, len(run.quest.rows) - 1, ROWS_BEFORE)})
    size = run.order.recipe.rows_per_micro_batch
    batches = [run.quest.batch(rows[first : first + size]) for first in range(0, len(rows), size)]
    loss = mean_loss(run.trainee.hero, batches)
    return loss if math.isfinite(loss) else None


def coverage_of(run: Run) -> UpdateCoverage | None:
    """From what the battle began with, which a run before this one may have said."""
    begun = next(run.log.standing(EventKind.BATTLE_STARTED), None)
    if begun is None or not run.ranks.is_main:
        return None
    began_from = begun.data.get("checkpoint")
    return UpdateCoverage(run.order, run.trainee.hero, run.quest.examples, began_from=began_from)


def begin_together(run: Run) -> None:
    """From here on the ranks train as one."""
    trainee = run.trainee
    trainee.hero, trainee.optimizer = bring_together(trainee.hero, trainee.optimizer, run.ranks)
    trainee.hero.model.train()


def requested_of(run: Run) -> Request | None:
    """What was asked of rank 0: every rank obeys it at the end of the same step."""
    requested = list(Request)
    told = run.control.requested_at(run.trainee.step)
    number = run.ranks.of_main(requested.index(told) if told else -1)
    return requested[number] if number >= 0 else None


def end_early(run: Run, requested: Request) -> None:
    announcements.left_early(run.log, requested, step=run.trainee.step, quest_step=run.cursor.quest_step)


def end_for_faults(run: Run, reason: str) -> None:
    announcements.paused_for_faults(run.log, run.order, reason, step=run.trainee.step, quest_step=run.cursor.quest_step)


def complete(run: Run) -> None:
    saved = run.trainee.saved
    assert saved is not None
    steps, all_steps = run.cursor.quest_step, run.quest.total_steps
    stop = early_stop.of_checkpoint(run.order, run.log, saved) if steps < all_steps else None
    measured = run.forecast.measured(run.log) if run.forecast and not stop else None
    announcements.completed(run.log, run.order, saved, steps=steps, all_steps=all_steps, measured=measured, stop=stop)


# ----------------------------------------------------------------------------------------------------------------------
# A step: forward and backward, the update, its record, and whether it was sound.


def take_step(run: Run) -> bool:
    """One optimizer step, its record handed to the meter; False where memory ran short and the micro-batch shrank."""
    # The rows of the step and its learning rate, both as earlier faults left them.
    started = time.perf_counter()
    trainee, recipe = run.trainee, run.order.recipe
    rows = rows_at_once(run)
    run.work.begin_step()
    batches = run.quest.step(run.cursor.epoch, run.cursor.position, rows)
    run.work.mark()
    rate = optimizer.learning_rate(recipe, trainee.step + 1, moments_since=trainee.moments_since)
    lowered = run.lowered.scale(run.cursor.quest_step, recipe.learning_rate)
    run.learning_rate = rate * lowered * run.faults.learning_rate_scale
    optimizer.set_learning_rate(trainee.optimizer, run.learning_rate)

    # The step; dropout is drawn from the same numbers where it has to be done again.
    random_state = checkpoint.rng_tensors()
    row_losses = row_losses_of(run, batches)
    on_losses = row_losses.take if row_losses else ignored
    try:
        before_update = run.work.marking(run.saver.hold_weights)
        loss, grad_norm = optimizer_step(trainee, batches, recipe, before_update, run.ranks, on_losses)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        said = str(error)
    else:
        trainee.step += 1
        run.cursor = advanced(run.cursor, run.quest)
        seconds = time.perf_counter() - started
        run.work.end_step()
        record = step_record(trainee, batches, run.cursor, run.learning_rate, seconds)
        run.meter.add(record, loss, grad_norm, row_losses)
        run.control.mark_progress()
        return True

    # Here, where the exception and with it the tensors of its frames are gone.
    trainee.optimizer.zero_grad(set_to_none=True)
    checkpoint.restore_rng_tensors(random_state)
    shrink_micro_batch(run, rows, said)
    return False


def row_losses_of(run: Run, batches: list[Batch]) -> RowLosses | None:
    """Of the step that the cursor points at; None where other ranks have a part of its rows."""
    if not run.ranks.alone:
        return None
    numbers = run.quest.examples_of_step(run.cursor.epoch, run.cursor.position)
    return RowLosses(batches, run.quest.examples.lines_of(numbers))


def rows_at_once(run: Run) -> int:
    """In a micro-batch, as earlier shortages of memory left it."""
    return run.faults.rows_per_micro_batch(run.cursor.quest_step) or run.order.recipe.rows_per_micro_batch


def heed_rate(run: Run) -> None:
    """Go on with what the player lowered the learning rate to, if that is new."""
    wanted = lowered_rate.wanted(run.order)
    rate = run.ranks.number_of_main(math.nan if wanted is None else wanted)
    if math.isnan(rate) or rate == run.lowered.newest:
        return
    where = {"step": run.trainee.step, "quest_step": run.cursor.quest_step}
    announcements.rate_changed(run.log, rate, recipe_rate=run.order.recipe.learning_rate, **where)
    run.lowered = LoweredRate.of(run.log.events)


def advanced(cursor: Cursor, quest: PackedQuest) -> Cursor:
    """The cursor one optimizer step on."""
    position, quest_step = cursor.position + 1, cursor.quest_step + 1
    epoch = cursor.epoch
    if position == quest.steps_per_epoch:
        epoch, position = epoch + 1, 0
    return replace(
        cursor, epoch=epoch, position=position, quest_step=quest_step, finished=quest_step == quest.total_steps
    )


def ignored(losses_N: Tensor) -> None:
    """For who asks for a step alone."""


def optimizer_step(
    trainee: Trainee,
    batches: list[Batch],
    recipe: Recipe,
    before_update: Callable[[], None] = lambda: None,
    ranks: Ranks = ALONE,
    on_losses: Callable[[Tensor], None] = ignored,
) -> tuple[Tensor, Tensor]:
    """One step; returns mean loss over its trained tokens and the gradient's norm before clipping, both of shape ().

    The sum is divided by the count of the whole step, so any split into micro-batches and over ranks gives the same
    step. If loss or gradient is not finite, the weights stay as they were: the fused update is told so on the device,
    and the host need not ask. `on_losses` is handed the loss of each trained token of each micro-batch, in order.
    """
    with average.training_weights(trainee.hero, trainee.optimizer, recipe, age=trainee.step - trainee.moments_since):
        return _update(trainee, batches, recipe, before_update, ranks, on_losses)


def _update(
    trainee: Trainee,
    batches: list[Batch],
    recipe: Recipe,
    before_update: Callable[[], None],
    ranks: Ranks,
    on_losses: Callable[[Tensor], None],
) -> tuple[Tensor, Tensor]:
    # Forward and backward, micro-batch by micro-batch; this rank's share of them.
    hero = trainee.hero
    count = sum(batch.trained_tokens for batch in batches)
    total = torch.zeros((), device=hero.device)
    for batch, weight, last in ranks.share(batches):
        sync_gradients(hero, last)
        with hero.autocast():
            losses_N = token_losses(hero, batch.to(hero.device))
        on_losses(losses_N.detach())
        loss = losses_N.sum() * (weight / count)
        (loss * ranks.count).backward()  # DDP and FSDP2 take the mean over ranks, wanted is the sum
        total += loss.detach()
    ranks.sum(total)

    # The update, unless a number went astray.
    parameters = list(hero.trainable.values())
    # A clip_norm of 0 means no clipping; the norm is measured either way.
    grad_norm = checkpoint.whole(torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm or math.inf))
    before_update()
    optimizer.step_if(trainee.optimizer, torch.isfinite(total) & torch.isfinite(grad_norm))
    trainee.optimizer.zero_grad(set_to_none=True)
    return total, grad_norm


def step_record(trainee: Trainee, batches: list[Batch], cursor: Cursor, rate: float, seconds: float) -> StepRecord:
    """The record of the step just done, but for loss and gradient norm, which may still be on the device."""
    tokens = sum(batch.tokens for batch in batches)
    return StepRecord(
        step=trainee.step,
        time=time.time(),
        loss=math.nan,
        learning_rate=rate,
        grad_norm=math.nan,
        step_seconds=seconds,
        tokens=tokens,
        trained_tokens=sum(batch.trained_tokens for batch in batches),
        slots=tokens,
        quest_step=cursor.quest_step,
        memory_bytes=memory_in_use(trainee.hero.device),
    )


def watch(run: Run, records: list[MeasuredStep]) -> None:
    """Write down what steps measured. Raises StepFault for one that must be undone."""
    for record in records:
        if not (math.isfinite(record.loss) and math.isfinite(record.grad_norm)):
            text = f"step {record.step}: loss {record.loss}, gradient norm {record.grad_norm}"
            raise StepFault(Fault.NON_FINITE, record, text, back_to=record.step - 1)
        run.log.add_step(record, total_steps=run.quest.total_steps)
        run.saver.write_after(record.step - 1, record.loss)
        trend = run.convergence.add(record.step, record.loss)
        if trend == Trend.DIVERGENCE:
            text = f"step {record.step}: {run.convergence.summary()}"
            raise StepFault(Fault.DIVERGENCE, record, text, back_to=run.convergence.best_step)
        if trend == Trend.STAGNATION:
            announcements.stagnation(run.log, step=record.step, seen=run.convergence.summary())


# ----------------------------------------------------------------------------------------------------------------------
# Faults: a step that must be undone, a micro-batch that memory does not hold.


def roll_back(run: Run, fault: StepFault) -> str | None:
    """Go back to the newest whole checkpoint before the fault; returns why the battle should not go on by itself."""
    # What the faulty step trained on, and what is still on its way to the disk.
    order, log = run.order, run.log
    lines = run.quest.lines_of_step(*divmod(fault.record.quest_step - 1, run.quest.steps_per_epoch))
    place = first_not_finite(run, fault)
    flagged = write_flagged(run, fault, lines) if run.ranks.is_main else None
    tell_saved(run, wait=True)
    run.meter.forget()
    run.put_off_at = None

    # The state before it: the hero, the cursor, what the steps until then measured.
    if run.ranks.is_main:
        checkpoint.drop_after(Path(order.hero_folder), fault.back_to, order.branch)
    run.trainee.let_go()
    run.trainee = ready_trainee(order, log, None, run.ranks)
    begin_together(run)
    run.cursor = cursor_of(order, run.trainee.saved)
    run.convergence = convergence_until(log, run.trainee)
    log.cut_steps_after(run.trainee.step)

    # Told, and with it remembered.
    announcements.undone(log, fault, run.trainee, lines=lines, flagged=flagged, place=place)
    run.faults = FaultHistory.of(log.events)
    return run.faults.why_pause(fault.record.quest_step, order.recipe.most_faults)


def first_not_finite(run: Run, fault: StepFault) -> NotFinite | None:
    """Of the step that went wrong, done once more; None for other faults, and where ranks would have to do it together.

    On a GPU the weights may have gone on some steps since: the host learns of a fault later.
    """
    if fault.fault != Fault.NON_FINITE or not run.ranks.alone:
        return None
    place = divmod(fault.record.quest_step - 1, run.quest.steps_per_epoch)
    batches = run.quest.step(*place, rows_at_once(run))
    return non_finite.find(run.trainee, batches, run.order.recipe)


def write_flagged(run: Run, fault: StepFault, lines: list[int]) -> Path | None:
    where = Path(run.order.battle_folder)
    return run.room.write(lambda: flag_examples(run.order, fault, lines), where=where)


def shrink_micro_batch(run: Run, rows: int, said: str) -> None:
    """Half as many rows at once, for the rest of the battle.

    Raises OutOfMemory where there is only one, ShortOfMemory where other ranks are at work on their parts of the step.
    """
    # What cannot be halved ends the battle.
    if run.trainee.hero.device.type == "cuda":
        torch.cuda.empty_cache()
    where = {"step": run.trainee.step, "quest_step": run.cursor.quest_step}
    if not run.ranks.alone:
        shortage.leave(run.order, run.ranks, rows=rows, said=said, **where)
    if rows == 1:
        raise OutOfMemory(SHORT_WITH_ONE_ROW.format(run.order.recipe.max_length, said.splitlines()[0]))

    # Told, and with it remembered.
    halved = rows // 2
    announcements.shrunk(run.log, **where, was=rows, rows=halved, shortage=said)
    run.faults = FaultHistory.of(run.log.events)


# ----------------------------------------------------------------------------------------------------------------------
# Checkpoints, and what is measured and answered by their weights.


def end_if_learned(run: Run) -> None:
    """Where the loss over rows never trained on no longer falls, the quest is done, and the hero is as it was best.

    What it learned since is no checkpoint, so that whoever goes on after a kill begins before this step or behind it.
    """
    if not run.order.recipe.early_stop_patience or run.scores is NOT_SCORED or run.cursor.finished:
        return

    # Rank 0 decides: only it has proven what lies there, and what is on its way to the disk may be the best.
    if not run.ranks.of_main(early_stop.is_over(run.order, run.log, step=run.trainee.step)):
        return
    tell_saved(run, wait=True)
    stop = early_stop.find(run.order, run.log, step=run.trainee.step) if run.ranks.is_main else None
    best_step = run.ranks.of_main(stop.best.step if stop else -1)
    if best_step < 0:
        return

    # The weights, moments and random state of that step; the hero's steps count on, and the moments stay as old.
    step = run.trainee.step
    if best_step != step:
        run.trainee.let_go()
        run.trainee = trainee_at(run.order, early_stop.checkpoint_at(run.order, best_step), run.ranks)
        begin_together(run)
        run.trainee.step = step
        run.trainee.moments_since += step - best_step
    if stop:
        run.scores = early_stop.scores_at(stop.best)
    run.cursor = replace(run.cursor, finished=True)


def save_is_due(run: Run) -> bool:
    """Rank 0 decides. While it still writes the save before, to slow storage, this one is put off and stays due."""
    recipe, step = run.order.recipe, run.trainee.step
    late = recipe.save_seconds > 0 and monotonic() - run.saved_at >= recipe.save_seconds
    due = late or step % recipe.save_every == 0 or run.put_off_at is not None
    begins = due and run.saver.is_free()
    if due and not begins and run.put_off_at is None:
        announcements.save_put_off(step=step)
        run.put_off_at = step
    return bool(run.ranks.of_main(begins))


def save_beside(run: Run) -> None:
    """Begin a checkpoint that is written while training goes on."""
    tell_saved(run, wait=True)
    draft = draft_of(run)
    differs = heroes.has_dropout(run.trainee.hero) or bool(run.order.recipe.weight_average)
    train_loss = next_loss(run) if differs else None
    with gathered(run.trainee.hero):
        run.answered = answers.answer_all(run.trainee.hero, run.order.evaluation_sets, run.control.mark_progress)
    if not run.ranks.is_main:
        return
    if train_loss is None:  # the next step will measure it
        run.saver.keep(draft)
    else:  # that step's loss is not of the weights alone
        run.saver.write_now(draft, train_loss)


def save_and_wait(run: Run) -> None:
    """A checkpoint that is on disk when this returns. Raises SaveFailed."""
    tell_saved(run, wait=True)
    draft, train_loss = draft_of(run), next_loss(run)
    if run.ranks.is_main:
        run.saver.write_now(draft, train_loss)
    tell_saved(run, wait=True, must=True)
    run.ranks.wait()
    if not run.ranks.is_main:
        run.trainee.saved = newest_by_name(run.order)


def draft_of(run: Run) -> Draft:
    """The state as it is now, with what its sidecar says."""
    # Weights, moments and random state, copied while training stands still.
    started = time.perf_counter()
    trainee, order = run.trainee, run.order
    captured = run.saver.capture(trainee.hero, trainee.optimizer, moments_since=trainee.moments_since)
    seed_other_ranks(order, run.ranks, trainee.step)
    run.saved_at, put_off_at, run.put_off_at = monotonic(), run.put_off_at, None

    # What its sidecar says of where they come from.
    facts = {
        "hero": order.hero,
        "val_loss": run.scores.val_loss,
        "val_set": run.scores.val_set,
        "val_losses": run.scores.losses,
        "val_sets": run.scores.sets,
        "unscored_tokens": unscored_tokens(run),
        "learning_rate": run.learning_rate,
        "epoch": run.cursor.epoch,
        "skill": order.skill,
        "level": order.level,
        "quest": order.quest,
        "battle": order.battle,
        "parent": trainee.saved.name if trainee.saved else None,
        "branch": order.branch,
        "base_model": portable_path(order.base_model, Path(order.hero_folder)),
        "adapter_base": trainee.hero.adapter_base,
        "base_sha256": trainee.hero.base_sha256,
        "faults": run.faults.counts,
    }

    return Draft(
        hero=trainee.hero,
        captured=captured,
        step=trainee.step,
        cursor=run.cursor,
        mode=order.recipe.mode,
        facts=facts,
        compresses=order.recipe.compress_moments,
        told={
            "put_off_steps": 0 if put_off_at is None else trainee.step - put_off_at,
            "stall_seconds": time.perf_counter() - started,
            "work": run.work.take(),
            "memory": memory.held(trainee.hero, trainee.optimizer, copies=captured.size_bytes),
        },
        measure=lambda copied: {"coverage": run.coverage.of(copied.weights) if run.coverage else {}},
    )


def next_loss(run: Run) -> float:
    """What a checkpoint's train_loss is: the loss of its weights on the step that its cursor points at.

    Training measures it anyway as the loss of that step. After the last step of a quest it is that step's own batch.
    """
    cursor = run.cursor
    quest_step = cursor.quest_step - 1 if cursor.finished else cursor.quest_step
    place = divmod(quest_step, run.quest.steps_per_epoch)
    return mean_loss(run.trainee.hero, run.quest.step(*place, rows_at_once(run)))


def score_first(run: Run) -> None:
    """The losses that the battle begins from, as far as its parent's sidecar does not say them of the same rows."""
    trainee, sets = run.trainee, run.validation
    own = is_own_name(run.order.quest)
    known = scoring.known_of(None if trainee.mode_before else trainee.saved, sets)
    unknown = [one for one in sets if one.name not in known]
    chosen = scoring.chosen_first(unknown, progress_of(run), partly=own)
    told = any(event.data.get("quest_step") == 0 for event in run.log.standing(EventKind.VALIDATED))
    if told or not (chosen or (own and known)):  # what a quest of the player's costs is told of what is known, too
        return
    announcements.validated(run.log, scores_of(run, chosen, known), step=trainee.step, quest_step=0)


def validate(run: Run, *, saving: bool) -> Scores:
    """The losses by the weights as they are, where they are due; told unless a run before this one told them."""
    chosen = sets_that_are_due(run, saving=saving)
    if not chosen:
        return NOT_SCORED
    scores = scores_of(run, chosen)
    announcements.validated(run.log, scores, step=run.trainee.step, quest_step=run.cursor.quest_step)
    return scores


def scores_of(run: Run, chosen: list[LoadedSet], known: dict[str, float] | None = None) -> Scores:
    """Of the weights as they are; what a step's micro-batch had to be cut down to is not exceeded here either."""
    recipe = replace(run.order.recipe, rows_per_micro_batch=rows_at_once(run))
    scores = scoring.score(run.trainee.hero, recipe, run.validation, chosen, known)
    run.control.mark_progress()
    return scores


def sets_that_are_due(run: Run, *, saving: bool) -> list[LoadedSet]:
    """All at the recipe's interval; without one, with each checkpoint what is paid for; at the end also a part."""
    every, sets = run.order.recipe.validate_every, run.validation
    if every and (run.trainee.step % every == 0 or run.cursor.finished):
        return sets
    if run.cursor.finished:
        return scoring.chosen_last(sets, progress_of(run), partly=is_own_name(run.order.quest))
    return sets if saving and not every and scoring.pays_between(sets, progress_of(run)) else []


def progress_of(run: Run) -> Progress:
    quest = run.quest
    return scoring.progress_of(
        run.log,
        run.cursor,
        tokens=quest.tokens,
        steps_per_epoch=quest.steps_per_epoch,
        total_steps=quest.total_steps,
    )


def unscored_tokens(run: Run) -> int:
    """Trained since every set was last scored; what was scored at this step is told by now."""
    quest = run.quest
    return scoring.unscored_tokens(run.log, run.cursor, tokens=quest.tokens, steps_per_epoch=quest.steps_per_epoch)


def tell_saved(run: Run, *, wait: bool = False, must: bool = False) -> None:
    """Announce the checkpoint that has reached the disk, if one has. A save that failed is told, and `must` raises."""
    # While the disk is full it may take long, and nothing hangs.
    started = time.perf_counter()
    while wait and run.room.waiting:
        run.control.mark_progress()
        run.saver.wait(WAIT_SECONDS)
    try:
        written = run.saver.finished(wait=wait)
        waited = time.perf_counter() - started + run.saver.take_waited_seconds()
    except SaveFailed as failure:
        run.answered = []
        announcements.save_failed(run.log, failure, step=run.trainee.step)
        if must:
            raise
        return
    if written is None:
        return

    # It is there: told, and with it what its weights answered.
    draft, saved = written
    run.trainee.saved = saved
    announcements.saved(run.log, saved, **draft.told, wait_seconds=waited)
    for answered in run.answered:
        answers.tell(run.log, run.order, answered, saved)
    run.answered = []


def wait_for_room(run: Run) -> None:
    """Stand still while a full disk keeps a checkpoint waiting: what is trained on meanwhile could not be saved."""
    while run.room.waiting and not run.control.leaving:
        run.control.mark_progress()
        time.sleep(WAIT_SECONDS)


def answer_saved(run: Run) -> None:
    """Answer with the weights of the newest checkpoint, which are those in memory, what they were not asked yet.

    Of a battle's own checkpoint what it has to answer; of the one that the battle begins from what the daemon misses.
    """
    order, saved = run.order, run.trainee.saved
    if saved is None:
        return
    if saved.battle != order.battle:
        asked = order.asked_first
    else:
        asked = order.asked_last if saved.cursor.finished else order.evaluation_sets
    missing = answers.not_told(run.log, asked, saved)
    for answered in answers.answer_all(run.trainee.hero, missing, run.control.mark_progress):
        if run.ranks.is_main:
            answers.tell(run.log, order, answered, saved)
