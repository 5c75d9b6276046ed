"""A world as it is after years: checkpoints, quests, battles, a long chronicle; one battle of very many steps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from realm.world import World
from tests.support.routes import CHECKPOINT

BATCH = 2_000
LONGEST = "sums-1a2b3c4d"
"""As the sampled routes name a battle."""
PER_BATTLE = 10
"""Quests to a battle that has a row."""
_START = datetime(2025, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Size:
    checkpoints: int
    quests: int
    steps: int
    """Of the longest battle."""
    entries: int
    """Of the chronicle."""
    zones: int


WHOLE = Size(checkpoints=100_000, quests=50_000, steps=1_000_000, entries=300_000, zones=20)
QUICK = Size(checkpoints=1_000, quests=500, steps=10_000, entries=3_000, zones=20)


def fill_rows(world: World, size: Size) -> None:
    """Rows of the database, and the steps of the longest battle; checkpoints' folders are there already."""
    from arena.models import Battle, ChronicleEntry, Quest
    from vault.models import Zone

    _write(Quest, _quests(size.quests))
    battles = Quest.objects.order_by("pk").filter(state=Quest.State.COMPLETED)[::PER_BATTLE]
    _write(Battle, (_battle(quest, number) for number, quest in enumerate(battles)))
    _write(ChronicleEntry, _entries(size.entries))
    _write(Zone, (Zone(zone_id=f"zone-{number}", url=f"http://10.0.0.{number}:8778") for number in range(size.zones)))
    fill_steps(world, size.steps)


def fill_steps(world: World, steps: int) -> Path:
    from tests.watchtower import factories

    factories.make_battle(world, LONGEST, total_steps=steps, state="completed", ended_at=datetime.now(UTC))
    path = world.battles
    for start in range(1, steps + 1, BATCH):
        part = range(start, min(start + BATCH, steps + 1))
        path = factories.append_steps(world, LONGEST, [factories.record(step, loss=1 + 1 / step) for step in part])
    return path


def _write(model: Any, rows: Iterator[Any]) -> None:
    while part := list(islice(rows, BATCH)):
        model.objects.bulk_create(part)


def _quests(count: int) -> Iterator[Any]:
    from arena.models import Quest

    for number in range(count):
        waits = number % 50 == 0
        folder = "normal" if waits else "recently_completed"
        yield Quest(
            name=f"sums-{number}", sha256=f"{number:064x}", file=f"{folder}/sums-{number}.jsonl", rows=100, taken=90,
            arrived_at=_START + timedelta(minutes=number), position=number, size_bytes=10_000, held_out=10,
            state=Quest.State.QUEUED if waits else Quest.State.COMPLETED,
        )  # fmt: skip


def _battle(quest: Any, number: int) -> Any:
    from arena.models import Battle

    return Battle(
        battle_id=f"battle-{number}", quest=quest, hero="DIO", state=Battle.State.COMPLETED, total_steps=100,
        first_step=number * 100, started_at=quest.arrived_at, ended_at=quest.arrived_at + timedelta(minutes=1),
    )  # fmt: skip


def _entries(count: int) -> Iterator[Any]:
    from arena.models import ChronicleEntry

    for number in range(1, count + 1):
        yield ChronicleEntry(
            source="large", source_seq=number, kind="checkpoint_saved", time=_START + timedelta(seconds=number * 60),
            step=number, message=f"saved {number}", data={"checkpoint": CHECKPOINT},
        )  # fmt: skip
