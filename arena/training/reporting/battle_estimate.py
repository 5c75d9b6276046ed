"""What a battle is about to take, said when it begins, and what it took, said when it ends."""

from __future__ import annotations

import ctypes
import os
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch

from arena import estimate
from arena.estimate import Load, Measured, Shape, UnknownShape
from arena.hero.model import Hero
from arena.protocol import STEP_DTYPE, STEPS_FILE, EventKind, Order
from arena.training.data import PackedQuest
from arena.training.reporting.battle_log import BattleLog
from arena.training.reporting.metrics import memory_in_use
from arena.training.start import Trainee
from realm.checkpoints.cursor import Cursor

PAGE_BYTES = 4096


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """The estimate of one run, and what is needed to hold it against what is measured."""

    order: Order
    device: torch.device
    quest: PackedQuest
    began: float
    """By the monotonic clock."""
    first_step: int
    first_seq: int
    like: dict[str, Any]
    process: int | None
    steps: int
    seconds: float | None
    based_on: str | None
    """The battle whose speed was measured; None where none of this size was fought here."""
    memory: estimate.Memory | None
    """None for a model whose configuration says too little."""

    def to_data(self) -> dict[str, Any]:
        return {
            "steps": self.steps,
            "seconds": self.seconds,
            "based_on": self.based_on,
            "memory": asdict(self.memory) if self.memory else None,
            "machine_bytes": machine_bytes(self.device),
            "like": self.like,
        }

    def measured(self, log: BattleLog) -> dict[str, Any]:
        """To be asked once, after the last checkpoint."""
        # This run's own share of the battle.
        seconds = time.monotonic() - self.began
        records = np.fromfile(Path(self.order.battle_folder) / STEPS_FILE, STEP_DTYPE)
        mine = records[records["step"] > self.first_step]
        peak = max(int(mine["memory_bytes"].max(initial=0)), memory_in_use(self.device))
        told = [event for event in log.events if event.seq >= self.first_seq]

        measured = Measured(
            battle=self.order.battle,
            like=self.like,
            seconds=seconds,
            step_seconds=float(mine["step_seconds"].sum(dtype=np.float64)),
            tokens=int(mine["tokens"].sum(dtype=np.int64)),
            stops=sum(event.kind == EventKind.CHECKPOINT_SAVED for event in told),
            peak_bytes=peak,
            process=self.process,
            quest_bytes=os.path.getsize(self.order.quest_file),
            quest_tokens=self.quest.tokens,
            trained_share=self.quest.trained_share,
            row_fill=self.quest.fill,
            seconds_error=estimate.error_of(self.seconds, seconds),
            memory_error=estimate.error_of(self.memory.peak if self.memory else None, peak),
        )
        return asdict(measured)


def forecast(trainee: Trainee, quest: PackedQuest, cursor: Cursor, log: BattleLog, *, ranks: int) -> Forecast:
    """Of what is left of the quest, by the hero as it is."""
    order, hero, step = trainee.order, trainee.hero, trainee.step
    recipe, device = order.recipe, hero.device

    # What is left, and what the process holds besides the hero.
    left = quest.total_steps - cursor.quest_step
    stops = estimate.count_stops(recipe, first_step=step, last_step=step + left)
    held = sum(parameter.nbytes for parameter in hero.model.parameters()) + _moment_bytes(trainee.optimizer)
    process = None if device.type == "cuda" else max(0, _resident_bytes() - held)

    # The newest battle of this size on this device, if one was measured.
    parameters = sum(parameter.numel() for parameter in hero.model.parameters())
    like = estimate.likeness(
        recipe, device=device_name(device), parameters=parameters, threads=torch.get_num_threads(), ranks=ranks
    )
    before = estimate.measured_like(Path(order.battle_folder).parent, like)
    tokens = quest.tokens * left // quest.steps_per_epoch

    memory_in_use(device)  # from here on the peak is the battle's own
    return Forecast(
        order=order,
        device=device,
        quest=quest,
        began=time.monotonic(),
        first_step=step,
        first_seq=len(log.events) + 1,
        like=like,
        process=process,
        steps=left,
        seconds=estimate.seconds_of(before, tokens=tokens, stops=stops) if before else None,
        based_on=before.battle if before else None,
        memory=_memory(order, hero, quest, process=process, saves_before=stops > 1),
    )


def _memory(
    order: Order, hero: Hero, quest: PackedQuest, *, process: int | None, saves_before: bool
) -> estimate.Memory | None:
    try:
        shape = Shape.of(hero.causal_lm.config.to_dict())
    except UnknownShape:
        return None
    load = Load.of(order.recipe, tokens=quest.tokens, trained_share=quest.trained_share, row_fill=quest.fill)
    cuda = hero.device.type == "cuda"
    memory = estimate.memory_of(shape, order.recipe, load, cuda=cuda, process=process, saves_before=saves_before)
    return _with_exact(memory, weights=sum(parameter.nbytes for parameter in hero.model.parameters()))


def _with_exact(memory: estimate.Memory, *, weights: int) -> estimate.Memory:
    """The configuration knows Qwen3's matrices; what is loaded knows its own size."""
    return replace(memory, weights=weights, peak=memory.peak + weights - memory.weights)


def _moment_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Of the moments, which are then all resident: read from a checkpoint they are pages of its file at first."""
    tensors = [
        value for state in optimizer.state.values() for value in state.values() if isinstance(value, torch.Tensor)
    ]
    for tensor in tensors:
        if tensor.device.type == "cpu":
            tensor.flatten()[:: PAGE_BYTES // tensor.element_size()].sum()
    return sum(tensor.nbytes for tensor in tensors)


def _resident_bytes() -> int:
    """After what loading and the certificate left in the heap was given back, where the C library can do that."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
    return int(psutil.Process().memory_info().rss)


def device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else "cpu"


def machine_bytes(device: torch.device) -> int:
    """The memory that the estimate is to be held against."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[1])
    return int(psutil.virtual_memory().total)
