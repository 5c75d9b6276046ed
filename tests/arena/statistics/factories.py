"""Battles' files as the trainer leaves them, from numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arena import steps
from arena.protocol import EVENTS_FILE, STEPS_FILE, Event, EventKind
from arena.statistics.source import Source

BEGAN = 1_000_000.0
"""Unix seconds."""


def records(count: int, **columns: object) -> steps.Records:
    """A step each second, half of it its own."""
    made = np.zeros(count, steps.DTYPE)
    made["step"] = made["quest_step"] = np.arange(1, count + 1)
    made["time"] = BEGAN + np.arange(1, count + 1)
    made["loss"], made["grad_norm"], made["learning_rate"] = 1.0, 0.5, 0.002
    made["step_seconds"], made["tokens"], made["trained_tokens"], made["memory_bytes"] = 0.5, 100, 40, 10**8
    for name, values in columns.items():
        made[name] = values
    return made


class Told:
    """Events of a battle, one after the other."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def say(self, kind: EventKind, *, step: int = 0, at: float = 0.0, message: str = "", **data: Any) -> Told:
        """`at` are seconds since the battle began."""
        seq = len(self.events) + 1
        self.events.append(Event(seq=seq, time=BEGAN + at, kind=kind, step=step, message=message, data=data))
        return self

    def begin(self, **data: Any) -> Told:
        return self.say(EventKind.BATTLE_STARTED, **({"total_steps": 1000, "first_step": 0, "device": "cpu"} | data))


def battle(folder: Path, made: steps.Records, told: Told | None = None) -> Source:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / STEPS_FILE).write_bytes(made.tobytes())
    events = told.events if told else Told().begin().events
    (folder / EVENTS_FILE).write_bytes(b"".join(event.to_line() + b"\n" for event in events))
    return Source.open(folder)
