"""A battle's files as a trainer writes them, and cuts them."""

from __future__ import annotations

import json
import os
from pathlib import Path

from arena.protocol import EVENTS_FILE, ORDER_FILE, STEPS_FILE, Event, EventKind, StepRecord
from realm.world import World


class FakeBattle:
    def __init__(self, world: World, name: str = "q-1") -> None:
        self.folder = world.battles / name
        self.folder.mkdir(parents=True)
        order = {
            "quest": "q",
            "hero": "DIO",
            "skill": "bin",
            "level": 2,
            "recipe": {"mode": "full", "learning_rate": 1e-3},
        }
        (self.folder / ORDER_FILE).write_text(json.dumps(order))
        self.time = 1_800_000_000.0
        self.seq = 0

    @property
    def steps_file(self) -> Path:
        return self.folder / STEPS_FILE

    def steps(self, first: int, last: int, *, loss: float = 0.0) -> None:
        """Their losses, if no other is said, are their numbers."""
        with open(self.steps_file, "ab") as file:
            for step in range(first, last + 1):
                self.time += 1.0
                record = StepRecord(
                    step=step, time=self.time, loss=loss or float(step), learning_rate=1e-3, grad_norm=1.0,
                    step_seconds=0.5, tokens=100, trained_tokens=50, slots=100, quest_step=step, memory_bytes=10**6,
                )  # fmt: skip
                file.write(record.pack())

    def cut_after(self, count: int) -> None:
        os.truncate(self.steps_file, count * StepRecord.SIZE)

    def event(self, kind: EventKind, step: int, **data: object) -> None:
        self.seq += 1
        self.time += 0.1
        event = Event(seq=self.seq, time=self.time, kind=kind, step=step, message="", data=dict(data))
        with open(self.folder / EVENTS_FILE, "ab") as file:
            file.write(event.to_line() + b"\n")

    def validated(self, step: int, loss: float) -> None:
        self.event(EventKind.VALIDATED, step, losses={"bin/2": loss}, val_loss=loss)
