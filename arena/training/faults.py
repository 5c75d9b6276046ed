"""What goes wrong inside a step, and what the battle has met of it so far.

A battle's events are the memory of its faults: a killed run's successor counts on from them.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import torch

from arena.protocol import Event, EventKind, Order, StepRecord
from realm.disk import durable

RATE_WINDOW = 1000
MOST_FAULTY_SHARE = 0.01
"""Faults among the last RATE_WINDOW steps of a quest, above which the battle pauses by itself."""
RATE_AFTER_DIVERGENCE = 0.5
MOST_NAMED_LINES = 20


SHORTAGES = ("can't allocate memory", "CUDA error: out of memory", "CUDA driver error: out of memory", "_ALLOC_FAILED")


class Fault(StrEnum):
    NON_FINITE = "non_finite"
    DIVERGENCE = "divergence"
    OUT_OF_MEMORY = "out_of_memory"


class StepFault(Exception):
    """A step that must be undone; the text says what was seen."""

    def __init__(self, fault: Fault, record: StepRecord, text: str, *, back_to: int) -> None:
        super().__init__(text)
        self.fault = fault
        self.record = record
        self.back_to = back_to
        """The state to go back to is that of this step, or an older one."""


class OutOfMemory(Exception):
    """Not even the smallest micro-batch fits; no quest is to blame."""


def is_out_of_memory(error: BaseException) -> bool:
    """CUDA's allocator has an exception for it; the driver, its libraries and the CPU's allocator say it in text."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in SHORTAGES)


@dataclass(frozen=True, slots=True)
class FaultHistory:
    """The faults that this battle has told of."""

    events: tuple[Event, ...]

    @classmethod
    def of(cls, events: Iterable[Event]) -> FaultHistory:
        return cls(tuple(event for event in events if event.kind == EventKind.FAULT))

    @property
    def counts(self) -> dict[str, int]:
        return dict(Counter(str(event.data["fault"]) for event in self.events))

    @property
    def learning_rate_scale(self) -> float:
        """Each divergence halves the learning rate for the rest of the quest: the same rate would diverge again."""
        return RATE_AFTER_DIVERGENCE ** self.counts.get(Fault.DIVERGENCE, 0)

    def rows_per_micro_batch(self, quest_step: int) -> int | None:
        """What shortages of memory up to this step left; None while there was none.

        Steps before them that are done again are split as they were: the order of summing is part of the result.
        """
        shortages = [event for event in self.events if event.data["fault"] == Fault.OUT_OF_MEMORY]
        left = [
            int(event.data["rows_per_micro_batch"]) for event in shortages if event.data["quest_step"] <= quest_step
        ]
        return left[-1] if left else None

    def why_pause(self, quest_step: int, most_faults: int) -> str | None:
        """Why the battle should not go on by itself; None while it may. `quest_step` is that of the newest fault."""
        undone = [int(event.data["quest_step"]) for event in self.events if event.data["fault"] != Fault.OUT_OF_MEMORY]
        if undone.count(quest_step) >= most_faults:
            return f"step {quest_step} of the quest went wrong {undone.count(quest_step)} times"
        recent = sum(step > quest_step - RATE_WINDOW for step in undone)
        steps = min(quest_step, RATE_WINDOW)
        if recent > max(most_faults - 1, MOST_FAULTY_SHARE * steps):
            return f"{recent} of the last {steps} steps went wrong, more than {MOST_FAULTY_SHARE:.0%}"
        return None


def flag_examples(order: Order, fault: StepFault, lines: Sequence[int]) -> Path | None:
    """Write down the rows that the faulty step trained on: the quest's own words, with where they came from."""
    if order.flagged_folder is None:
        return None
    folder = Path(order.flagged_folder)
    folder.mkdir(parents=True, exist_ok=True)
    where = {"quest": order.quest, "battle": order.battle, "step": fault.record.step, "fault": fault.fault}
    rows = [where | {"line": line, "row": row} for line, row in _rows(Path(order.quest_file), set(lines))]
    path = folder / f"{order.battle}-step-{fault.record.step}-{fault.fault}.jsonl"
    durable.write_bytes(path, b"".join(json.dumps(row, ensure_ascii=False).encode() + b"\n" for row in rows))
    return path


def _rows(quest_file: Path, wanted: set[int]) -> Iterable[tuple[int, Any]]:
    with open(quest_file, "rb") as file:
        for number, line in enumerate(file, start=1):
            if number in wanted:
                yield number, json.loads(line.removeprefix(b"\xef\xbb\xbf"))


def named_lines(lines: Sequence[int]) -> str:
    """Where in the quest file to look, in few words."""
    shown = ", ".join(map(str, sorted(lines)[:MOST_NAMED_LINES]))
    return f"it trained on {len(lines)} rows, lines {shown}{', …' if len(lines) > MOST_NAMED_LINES else ''}"
