"""Battles as the trainer and the daemon leave them: rows, and real bytes in steps.bin."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arena import status as arena_status
from arena import steps
from arena.models import Battle, ChronicleEntry, Quest
from arena.protocol import StepRecord
from realm.disk import durable
from realm.world import World

HERO = "DIO"


def make_battle(world: World, name: str = "b1", **fields: Any) -> Battle:
    quest = Quest.objects.create(
        name=f"quest-{name}", sha256="0" * 64, file=f"normal/{name}.jsonl", arrived_at=datetime.now(UTC)
    )
    (world.battles / name).mkdir()
    values = {"hero": HERO, "state": Battle.State.TRAINING, "first_step": 0, "total_steps": 100} | fields
    return Battle.objects.create(battle_id=name, quest=quest, started_at=datetime.now(UTC), **values)


def record(step: int, **fields: Any) -> StepRecord:
    values: dict[str, Any] = {
        "step": step, "time": 1_000_000.0 + step, "loss": 1.0 / step, "learning_rate": 0.002, "grad_norm": 0.5,
        "step_seconds": 0.5, "tokens": 100, "trained_tokens": 40, "slots": 128, "quest_step": step, "memory_bytes": 1,
    }  # fmt: skip
    return StepRecord(**values | fields)


def append_steps(world: World, battle: str, records: list[StepRecord]) -> Path:
    path = steps.path_of(world, battle)
    with open(path, "ab") as file:
        file.write(b"".join(one.pack() for one in records))
    return path


def tell(source: str, number: int, *, kind: str = "checkpoint_saved", step: int = 0, **data: Any) -> ChronicleEntry:
    return ChronicleEntry.objects.create(
        source=source, source_seq=number, kind=kind, time=datetime.now(UTC), step=step, message=f"{kind} {number}",
        data=data,
    )  # fmt: skip


def say_status(world: World, state: str = "training", *, at: float | None = None, **fields: Any) -> None:
    said = {"state": state, "message": "", "battle": None, "quest": None, "pid": os.getpid()} | fields
    durable.write_json(world.arena_status, said | {"time": time.time() if at is None else at})


@contextmanager
def daemon_lock(world: World) -> Iterator[None]:
    """Hold what a living daemon holds."""
    with open(world.control / arena_status.LOCK_FILE, "wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
