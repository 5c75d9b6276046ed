"""The training loop, top to bottom: recipe, hero, quest, certificate, steps, checkpoints, end.

Read beside it, in this order: masking.py (what is trained on), packing.py and data.py (rows of a step), loss.py,
optimizer.py, certificate.py (packed equals alone), checkpoint.py (the commit point), answering.py, battle_log.py.
service.py keeps a process warm between battles; __main__.py is the command line.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import psutil
import torch

from arena.formats import UnreadableQuest
from arena.protocol import (
    ANSWERS_FOLDER,
    REFUSED_FILE,
    EvaluationSet,
    EventKind,
    Order,
    Recipe,
    StepRecord,
    portable_path,
)
from arena.training import answering, certificate, checkpoint, optimizer
from arena.training import hero as heroes
from arena.training.batch import Batch
from arena.training.battle_log import BattleLog
from arena.training.control import Asked, Control
from arena.training.data import LoadedQuest, PackedQuest, UntrainableQuest, batches_of, load_quest
from arena.training.hero import Hero
from arena.training.loss import mean_loss, token_losses
from realm import durable, sidecar
from realm.sidecar import Cursor, Sidecar

MOST_NAMED_LINES = 20


class UnreadableValidation(Exception):
    """The fixed validation set cannot be read; no quest is to blame."""


class NonFiniteLoss(Exception):
    """Loss or gradient is NaN or infinite; raised before the optimizer touches the weights."""


@dataclass
class Trainee:
    """What stays in memory between battles. Equal to its newest checkpoint whenever no battle runs."""

    order: Order
    hero: Hero
    optimizer: torch.optim.AdamW
    saved: Sidecar | None
    step: int

    def fits(self, order: Order, newest: Sidecar | None) -> bool:
        """Whether `order` would load exactly this."""
        same_lineage = (self.order.hero_folder, self.order.base_model) == (order.hero_folder, order.base_model)
        return same_lineage and self.order.recipe == order.recipe and self.saved == newest and newest is not None


def train(order: Order, log: BattleLog, control: Control, warm: Trainee | None) -> Trainee:
    """Run one battle from where its newest checkpoint stands until it is done or something else is asked.

    Returns what may stay warm. The last event said is one of `arena.protocol.ENDINGS`.
    """
    recipe = order.recipe
    if recipe.threads:
        torch.set_num_threads(recipe.threads)
    trainee = ready_trainee(order, log, warm)
    if log.said(EventKind.BATTLE_COMPLETED) and trainee.saved and trainee.saved.battle != order.battle:
        return trainee  # an old order: the hero has moved on since
    loaded, quest = ready_quest(order, trainee.hero)
    validation = validation_batches(order, trainee.hero)
    cursor = beginning = cursor_of(order, trainee.saved)
    log.cut_steps_after(trainee.step)
    if not cursor.finished:
        announce(order, log, trainee, loaded, quest, cursor)
    if trainee.saved and trainee.saved.battle == order.battle:
        announce_saved(log, trainee.saved)
    answer_once(order, log, trainee)

    trainee.hero.model.train()
    while not cursor.finished:
        started = time.perf_counter()
        batches = quest.step(cursor.epoch, cursor.position)
        rate = optimizer.learning_rate(recipe, trainee.step + 1)
        optimizer.set_learning_rate(trainee.optimizer, rate)
        try:
            loss, grad_norm = optimizer_step(trainee, batches, recipe)
        except NonFiniteLoss as fault:
            raise NonFiniteLoss(
                f"{fault}; {named_lines(quest.lines_of_step(cursor.epoch, cursor.position))}"
            ) from fault
        trainee.step += 1
        cursor = advanced(cursor, quest)
        log.add_step(step_record(trainee, batches, cursor, loss, rate, grad_norm, time.perf_counter() - started))

        asked = control.asked
        if cursor.finished or asked or trainee.step % recipe.save_every == 0:
            save(order, log, trainee, cursor, batches, validation, rate)
            if not asked or cursor.finished:  # a battle that goes on later answers then
                answer_once(order, log, trainee)
        if asked and not cursor.finished:
            end_early(log, trainee, cursor, asked)
            return trainee

    if cursor != beginning or not log.said(EventKind.BATTLE_COMPLETED):
        complete(order, log, trainee, cursor)
    return trainee


def ready_trainee(order: Order, log: BattleLog, warm: Trainee | None) -> Trainee:
    """The hero at its newest whole checkpoint, with optimizer and random state; the warm one where it is the same."""
    newest, refused = checkpoint.newest_whole(Path(order.hero_folder))
    for damage in refused:
        message = f"Refused a damaged checkpoint: {damage}"
        log.say(EventKind.CHECKPOINT_REFUSED, step=newest.step if newest else 0, message=message, reason=str(damage))
    if newest:
        check_lineage(order, newest)
    folder = Path(order.hero_folder) / newest.name if newest else None
    trainee = warm if warm and warm.fits(order, newest) else load_trainee(order, newest, folder)
    trainee.order = order
    if folder:
        checkpoint.load_state(folder, trainee.hero, trainee.optimizer)
    else:
        seed_everything(order.recipe.seed)
    return trainee


def check_lineage(order: Order, newest: Sidecar) -> None:
    """A hero goes on as what it is; raises IncompatibleCheckpoint where the settings say something else."""
    base_model = portable_path(order.base_model, Path(order.hero_folder))
    for setting, was, wanted in (
        ("training.mode", newest.mode, order.recipe.mode),
        ("base_model", newest.base_model, base_model),
    ):
        if was != wanted:
            raise checkpoint.IncompatibleCheckpoint(
                f"{newest.name} was trained with {setting} {was}, the settings say {wanted}: "
                f"set {setting} back, or name another hero"
            )


def load_trainee(order: Order, newest: Sidecar | None, folder: Path | None) -> Trainee:
    hero = heroes.load(order.base_model, order.recipe, checkpoint=folder, device=heroes.best_device())
    return Trainee(order, hero, optimizer.build(hero, order.recipe), newest, newest.step if newest else 0)


def seed_everything(seed: int) -> None:
    random.seed(seed)
    np.random.seed(seed)
    torch.manual_seed(seed)


def ready_quest(order: Order, hero: Hero) -> tuple[LoadedQuest, PackedQuest]:
    path = Path(order.quest_file)
    if not path.is_file():
        raise UntrainableQuest(f"{path.name} is gone from the queue; drop it again")
    if sidecar.digest(path) != order.quest_sha256:
        raise UntrainableQuest(f"{path.name} has changed since it was inspected; drop it again")
    loaded = load_quest(path, hero.mask, order.recipe)
    quest = PackedQuest(loaded.examples, order.recipe, quest_sha256=order.quest_sha256)
    return loaded, quest


def validation_batches(order: Order, hero: Hero) -> list[Batch]:
    if not order.validation_file:
        return []
    try:
        loaded = load_quest(Path(order.validation_file), hero.mask, replace(order.recipe, over_long="truncate"))
    except (UnreadableQuest, UntrainableQuest) as error:
        raise UnreadableValidation(f"the validation set {order.validation_file} cannot be read: {error}") from error
    return list(batches_of(loaded.examples, order.recipe))


def cursor_of(order: Order, saved: Sidecar | None) -> Cursor:
    """Where this battle stands: its checkpoint's cursor, or the beginning."""
    if saved and saved.battle == order.battle and saved.cursor.quest_sha256 == order.quest_sha256:
        return saved.cursor
    return Cursor(quest_sha256=order.quest_sha256, epoch=0, position=0, quest_step=0, finished=False)


def advanced(cursor: Cursor, quest: PackedQuest) -> Cursor:
    """The cursor one optimizer step on."""
    position, quest_step = cursor.position + 1, cursor.quest_step + 1
    epoch = cursor.epoch
    if position == quest.steps_per_epoch:
        epoch, position = epoch + 1, 0
    return replace(
        cursor, epoch=epoch, position=position, quest_step=quest_step, finished=quest_step == quest.total_steps
    )


def announce(
    order: Order, log: BattleLog, trainee: Trainee, loaded: LoadedQuest, quest: PackedQuest, cursor: Cursor
) -> None:
    """Prove the packing, then say what is about to be trained."""
    proof = certificate.certify(trainee.hero, quest)
    certificate.check(proof)
    durable.write_json(Path(order.battle_folder) / REFUSED_FILE, [asdict(refusal) for refusal in loaded.refused])
    resumed = log.said(EventKind.BATTLE_STARTED)
    log.say(
        EventKind.BATTLE_RESUMED if resumed else EventKind.BATTLE_STARTED,
        step=trainee.step,
        message=f"{order.quest}: goes on at step {cursor.quest_step} of {quest.total_steps}"
        if resumed
        else f"{order.quest}: {len(quest.examples)} lessons in {quest.total_steps} steps",
        quest=order.quest,
        first_step=trainee.step - cursor.quest_step,
        quest_step=cursor.quest_step,
        total_steps=quest.total_steps,
        examples=len(quest.examples),
        refused=len(loaded.refused),
        truncated=loaded.truncated,
        tokens=quest.tokens,
        trained_share=quest.trained_share,
        row_fill=quest.fill,
        certificate=proof.to_data(),
        device=str(trainee.hero.device),
        threads=torch.get_num_threads(),
        checkpoint=trainee.saved.name if trainee.saved else None,
    )


def optimizer_step(trainee: Trainee, batches: list[Batch], recipe: Recipe) -> tuple[float, float]:
    """One step; returns mean loss over its trained tokens and the gradient's norm before clipping.

    The sum is divided by the count of the whole step, so any split into micro-batches gives the same step.
    Raises NonFiniteLoss and leaves the weights as they were.
    """
    hero = trainee.hero
    count = sum(batch.trained_tokens for batch in batches)
    total = torch.zeros((), device=hero.device)
    for batch in batches:
        with torch.autocast(hero.device.type, torch.bfloat16, enabled=recipe.dtype == "bfloat16"):
            losses_N = token_losses(hero, batch.to(hero.device))
        loss = losses_N.sum() / count
        loss.backward()
        total += loss.detach()
    parameters = list(hero.trainable.values())
    # A clip_norm of 0 means no clipping; the norm is measured either way.
    grad_norm = torch.nn.utils.clip_grad_norm_(parameters, recipe.clip_norm or math.inf)
    mean, norm = total.item(), grad_norm.item()
    if not (math.isfinite(mean) and math.isfinite(norm)):
        trainee.optimizer.zero_grad(set_to_none=True)
        raise NonFiniteLoss(f"step {trainee.step + 1}: loss {mean}, gradient norm {norm}")
    trainee.optimizer.step()
    trainee.optimizer.zero_grad(set_to_none=True)
    return mean, norm


def named_lines(lines: list[int]) -> str:
    """Where in the quest file to look, in few words."""
    shown = ", ".join(map(str, sorted(lines)[:MOST_NAMED_LINES]))
    return f"it trained on {len(lines)} rows, lines {shown}{', …' if len(lines) > MOST_NAMED_LINES else ''}"


def step_record(
    trainee: Trainee,
    batches: list[Batch],
    cursor: Cursor,
    loss: float,
    rate: float,
    grad_norm: float,
    seconds: float,
) -> StepRecord:
    return StepRecord(
        step=trainee.step,
        time=time.time(),
        loss=loss,
        learning_rate=rate,
        grad_norm=grad_norm,
        step_seconds=seconds,
        tokens=sum(batch.tokens for batch in batches),
        trained_tokens=sum(batch.trained_tokens for batch in batches),
        slots=sum(batch.tokens for batch in batches),
        quest_step=cursor.quest_step,
        memory_bytes=memory_in_use(trainee.hero.device),
    )


def memory_in_use(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return int(psutil.Process().memory_info().rss)


def save(
    order: Order,
    log: BattleLog,
    trainee: Trainee,
    cursor: Cursor,
    batches: list[Batch],
    validation: list[Batch],
    rate: float,
) -> None:
    """Commit a checkpoint and say so. Its train_loss is that of the saved weights on the step's own batch."""
    log.sync_steps()
    train_loss = mean_loss(trainee.hero, batches)
    val_loss = mean_loss(trainee.hero, validation) if validation else None
    previous = trainee.saved
    started = time.perf_counter()
    trainee.saved = checkpoint.save(
        Path(order.hero_folder),
        trainee.hero,
        trainee.optimizer,
        step=trainee.step,
        cursor=cursor,
        recipe=order.recipe,
        facts={
            "hero": order.hero,
            "train_loss": train_loss,
            "val_loss": val_loss,
            "learning_rate": rate,
            "epoch": cursor.epoch,
            "skill": order.skill,
            "level": order.level,
            "quest": order.quest,
            "battle": order.battle,
            "parent": previous.name if previous else None,
            "base_model": portable_path(order.base_model, Path(order.hero_folder)),
        },
    )
    announce_saved(log, trainee.saved, stall_seconds=time.perf_counter() - started)
    if val_loss is not None:
        log.say(
            EventKind.VALIDATED,
            step=trainee.step,
            message=f"Validation loss {val_loss:.4f}",
            val_loss=val_loss,
            previous=previous.val_loss if previous else None,
        )


def announce_saved(log: BattleLog, saved: Sidecar, **data: float) -> None:
    """Say that a checkpoint is there; a run killed between its rename and this line left that to the next run."""
    if log.said(EventKind.CHECKPOINT_SAVED, name=saved.name):
        return
    log.say(
        EventKind.CHECKPOINT_SAVED,
        step=saved.step,
        message=f"Checkpoint {saved.name} saved",
        name=saved.name,
        train_loss=saved.train_loss,
        val_loss=saved.val_loss,
        **data,
    )


def answer_once(order: Order, log: BattleLog, trainee: Trainee) -> None:
    """Answer each evaluation set with the weights of this battle's newest checkpoint, unless that was done."""
    if not trainee.saved or trainee.saved.battle != order.battle:
        return
    for evaluation in order.evaluation_sets:
        what = {"checkpoint": trainee.saved.name, "skill": evaluation.skill, "level": evaluation.level}
        if not log.said(EventKind.ANSWERED, **what):
            write_answers(order, log, trainee, evaluation, trainee.saved)


def write_answers(order: Order, log: BattleLog, trainee: Trainee, evaluation: EvaluationSet, saved: Sidecar) -> None:
    started = time.perf_counter()
    prompts = answering.read_prompts(evaluation)
    answers = answering.answer(trainee.hero, prompts, max_new_tokens=evaluation.max_new_tokens)
    folder = Path(order.battle_folder) / ANSWERS_FOLDER
    folder.mkdir(exist_ok=True)
    path = folder / f"{saved.name}.{evaluation.skill}-{evaluation.level}.json"
    durable.write_json(path, answers)
    log.say(
        EventKind.ANSWERED,
        step=saved.step,
        message=f"Answered {len(answers)} problems of {evaluation.skill} level {evaluation.level}",
        checkpoint=saved.name,
        skill=evaluation.skill,
        level=evaluation.level,
        file=f"{ANSWERS_FOLDER}/{path.name}",
        seconds=time.perf_counter() - started,
    )


def end_early(log: BattleLog, trainee: Trainee, cursor: Cursor, asked: Asked) -> None:
    stopped = asked == Asked.STOP
    log.say(
        EventKind.BATTLE_STOPPED if stopped else EventKind.BATTLE_PAUSED,
        step=trainee.step,
        message=f"{'Stopped' if stopped else 'Resting'} at step {trainee.step}, which is kept safe",
        asked=asked,
        quest_step=cursor.quest_step,
    )


def complete(order: Order, log: BattleLog, trainee: Trainee, cursor: Cursor) -> None:
    saved = trainee.saved
    assert saved is not None
    log.say(
        EventKind.BATTLE_COMPLETED,
        step=saved.step,
        message=f"{order.quest}: all {cursor.quest_step} steps done",
        quest=order.quest,
        steps=cursor.quest_step,
        train_loss=saved.train_loss,
        val_loss=saved.val_loss,
        checkpoint=saved.name,
    )
