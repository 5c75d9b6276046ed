"""One step of a battle done once more, from the newest checkpoint before it: what it trained on, and what it moved.

Nothing of the world is written. The step's loss is held against the recorded one: with the same libraries, device and
threads they are equal bit for bit.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from arena.hero.model import Hero
from arena.protocol import EVENTS_FILE, STEP_DTYPE, STEPS_FILE, Event, Order, StepRecord
from arena.rows.example import IGNORE
from arena.training import optimizer
from arena.training.data import PackedQuest
from arena.training.faults import Fault, FaultHistory
from arena.training.lowered_rate import LoweredRate
from arena.training.ranks import ALONE
from arena.training.start import Trainee, cursor_of, has_moments, make_repeatable, ready_quest, trainee_at
from arena.training.train import advanced, optimizer_step
from realm.checkpoints import branches, sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar

MOST_VALUES = 4096
"""Of an inspected tensor or row."""


class CannotReplay(Exception):
    """Why, in one sentence."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    loss: float
    grad_norm: float
    learning_rate: float
    tokens: int
    trained_tokens: int


@dataclass(frozen=True, kw_only=True)
class ReplayedRow:
    line: int
    """Of the quest's file, or of the battle's rehearsed rows."""
    rehearsed: bool
    tokens: int
    trained_tokens: int
    loss: float
    """Mean over its trained tokens, natural log, before the update."""
    text: str
    trained_text: str


@dataclass(frozen=True, kw_only=True)
class TensorChange:
    name: str
    shape: tuple[int, ...]
    norm_before: float
    norm_after: float
    largest_change: float
    changed: int
    """Elements whose bits are others than before."""


@dataclass(frozen=True, kw_only=True)
class Inspected:
    """The values of one tensor, or of one of its rows; the first MOST_VALUES of them."""

    name: str
    row: int | None
    before: list[float]
    after: list[float]


@dataclass(frozen=True, kw_only=True)
class Replay:
    battle: str
    quest: str
    step: int
    """Of the hero's life."""
    quest_step: int
    checkpoint: str | None
    """From which it was trained; None: the base model."""
    steps_between: int
    """Trained again on the way."""
    recorded: Measured
    replayed: Measured
    identical: bool
    """Whether loss and gradient norm are the recorded ones, bit for bit."""
    device: str
    threads: int
    rows: list[ReplayedRow]
    tensors: list[TensorChange]
    inspected: Inspected | None
    seconds: float


def replay(order: Order, step: int, *, tensor: str | None = None, row: int | None = None) -> Replay:
    """Train the hero's `step` of this battle again, in a scratch folder. Raises CannotReplay.

    With `tensor` also the values of the tensor of that name before and after, with `row` of that one of its rows.
    """
    begun = time.monotonic()
    battle = Path(order.battle_folder)
    record = record_of(battle, step)
    made_by = _events(battle)
    make_repeatable(order.recipe)
    with tempfile.TemporaryDirectory(prefix="replay-") as scratch:
        trainee = trainee_at(order, _start_of(order, record), ALONE)
        check_inspected(trainee.hero, tensor, row)
        _, quest = ready_quest(replace(order, battle_folder=scratch), trainee.hero, lambda: None)
        again = _Again(order, trainee, quest, made_by)
        between = step - 1 - trainee.step
        while trainee.step < step - 1:
            again.take()
        before = {name: weight.detach().clone() for name, weight in trainee.hero.trainable.items()}
        epoch, position = again.cursor.epoch, again.cursor.position
        replayed, losses = again.take()
        after = trainee.hero.trainable
        return Replay(
            battle=order.battle,
            quest=order.quest,
            step=step,
            quest_step=record.quest_step,
            checkpoint=trainee.saved.name if trainee.saved else None,
            steps_between=between,
            recorded=_measured(record),
            replayed=replayed,
            identical=same_bits(replayed.loss, record.loss) and same_bits(replayed.grad_norm, record.grad_norm),
            device=str(trainee.hero.device),
            threads=torch.get_num_threads(),
            rows=list(_rows(trainee.hero, quest, quest.examples_of_step(epoch, position), losses)),
            tensors=[_change(name, weight, after[name].detach()) for name, weight in before.items()],
            inspected=_inspected(tensor, row, before, after) if tensor else None,
            seconds=round(time.monotonic() - begun, 3),
        )


class _Again:
    """The battle's steps from the trainee's on, each as the battle did it."""

    def __init__(self, order: Order, trainee: Trainee, quest: PackedQuest, made_by: tuple[Event, ...]) -> None:
        self.order, self.trainee, self.quest = order, trainee, quest
        self._events = made_by
        self._lowered = LoweredRate.of(made_by)
        self.cursor = cursor_of(order, trainee.saved)
        trainee.hero.model.train()

    def take(self) -> tuple[Measured, list[float]]:
        """The next step; what it measured, and the loss of each trained token."""
        trainee, recipe, cursor = self.trainee, self.order.recipe, self.cursor
        faults = _faults_before(self._events, trainee.step + 1)
        rows = faults.rows_per_micro_batch(cursor.quest_step) or recipe.rows_per_micro_batch
        batches = self.quest.step(cursor.epoch, cursor.position, rows)
        rate = optimizer.learning_rate(recipe, trainee.step + 1, moments_since=trainee.moments_since)
        rate = rate * self._lowered.scale(cursor.quest_step, recipe.learning_rate) * faults.learning_rate_scale
        optimizer.set_learning_rate(trainee.optimizer, rate)
        losses: list[Tensor] = []
        loss, grad_norm = optimizer_step(trainee, batches, recipe, on_losses=losses.append)
        trainee.step += 1
        self.cursor = advanced(cursor, self.quest)
        found = Measured(
            loss=loss.float().item(),
            grad_norm=grad_norm.float().item(),
            learning_rate=rate,
            tokens=sum(batch.tokens for batch in batches),
            trained_tokens=sum(batch.trained_tokens for batch in batches),
        )
        return found, torch.cat(losses).float().tolist()


def record_of(battle: Path, step: int) -> StepRecord:
    """Of the hero's `step` in this battle, which may still be under way. Raises CannotReplay."""
    path = battle / STEPS_FILE
    try:
        records = np.fromfile(path, dtype=STEP_DTYPE)
    except FileNotFoundError:
        raise CannotReplay(f"{battle.name} has done no step yet") from None
    found = records[records["step"] == step]
    if len(found):
        return StepRecord.unpack(found[-1].tobytes())
    if not len(records):
        raise CannotReplay(f"{battle.name} has done no step yet")
    raise CannotReplay(
        f"{battle.name} has no step {step}; it has steps {records['step'][0]} to {records['step'][-1]} of the hero"
    )


def _events(battle: Path) -> tuple[Event, ...]:
    """The battle's whole lines; what is none is passed over, as the trainer does."""
    events = []
    with suppress(FileNotFoundError), open(battle / EVENTS_FILE, "rb") as lines:
        for line in lines:
            with suppress(ValueError):
                events.append(Event.from_line(line))
    return tuple(events)


def _faults_before(events: tuple[Event, ...], step: int) -> FaultHistory:
    """As the battle knew them when it did `step` as it stands now: behind a divergence it went on at half the rate."""
    found = FaultHistory.of(events).events
    return FaultHistory(
        tuple(e for e in found if e.data["fault"] != Fault.DIVERGENCE or (e.data.get("undone_after") or 0) < step)
    )


def _start_of(order: Order, record: StepRecord) -> Sidecar | None:
    """The newest whole checkpoint before the step that the battle saved or began from; None: the base model."""
    began_from = record.step - record.quest_step
    thinned = ""
    for folder in branches.line_folders(Path(order.hero_folder), order.branch):
        try:
            saved = sidecar.read(folder)
            if not began_from <= saved.step < record.step:
                continue
            if saved.battle != order.battle and saved.step != began_from:
                continue
            if not has_moments(saved):
                thinned = saved.name
                continue
            return sidecar.verify(folder)
        except (DamagedCheckpoint, OSError):
            continue
    if began_from == 0:
        return None
    why = f"{thinned} gave up its moments" if thinned else "it made room, or is damaged"
    raise CannotReplay(
        f"of steps {began_from} to {record.step - 1} no whole checkpoint is left for step {record.step} from; {why}"
    )


def same_bits(value: float, recorded: float) -> bool:
    """Of two float32 numbers; NaN is the same as NaN."""
    return np.float32(value).tobytes() == np.float32(recorded).tobytes() or (math.isnan(value) and math.isnan(recorded))


def _measured(record: StepRecord) -> Measured:
    return Measured(
        loss=record.loss,
        grad_norm=record.grad_norm,
        learning_rate=record.learning_rate,
        tokens=record.tokens,
        trained_tokens=record.trained_tokens,
    )


def _rows(hero: Hero, quest: PackedQuest, numbers: list[int], losses: list[float]) -> Iterator[ReplayedRow]:
    """`losses` of all trained tokens, example by example."""
    begin = 0
    for number in numbers:
        example = quest.examples[number]
        labels = example.labels[example.labels != IGNORE]
        own, begin = losses[begin : begin + len(labels)], begin + len(labels)
        tokens = [*example.inputs.tolist(), *([] if example.labels[-1] == IGNORE else [int(example.labels[-1])])]
        yield ReplayedRow(
            line=abs(example.line),
            rehearsed=example.line < 0,
            tokens=len(example),
            trained_tokens=len(labels),
            loss=math.fsum(own) / len(own),
            text=_decoded(hero, tokens),
            trained_text=_decoded(hero, labels.tolist()),
        )


def _decoded(hero: Hero, ids: list[int]) -> str:
    text: Any = hero.tokenizer.decode(ids)
    return str(text)


def _change(name: str, before: Tensor, after: Tensor) -> TensorChange:
    return TensorChange(
        name=name,
        shape=tuple(before.shape),
        norm_before=before.double().norm().item(),
        norm_after=after.double().norm().item(),
        largest_change=(after.double() - before.double()).abs().max().item(),
        changed=int((after != before).sum()),
    )


def check_inspected(hero: Hero, tensor: str | None, row: int | None) -> None:
    """Before anything is trained. Raises CannotReplay for what is not there."""
    if tensor is None:
        return
    if tensor not in hero.trainable:
        near = [name for name in hero.trainable if tensor in name] or list(hero.trainable)
        raise CannotReplay(f"no tensor that trains is called {tensor}; there are {', '.join(near[:8])}")
    shape = hero.trainable[tensor].shape
    if row is not None and not 0 <= row < shape[0]:
        raise CannotReplay(f"{tensor} has no row {row}; it has rows 0 to {shape[0] - 1}")


def _inspected(tensor: str, row: int | None, before: dict[str, Tensor], after: dict[str, Any]) -> Inspected:
    def values(weight: Tensor) -> list[float]:
        chosen = weight.detach() if row is None else weight.detach()[row]
        found: list[float] = chosen.flatten()[:MOST_VALUES].float().tolist()
        return found

    return Inspected(name=tensor, row=row, before=values(before[tensor]), after=values(after[tensor]))
