"""P7: from a whole file in the inbox to the end of the first optimizer step, with daemon and trainer warm."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from arena.protocol import STEPS_FILE, StepRecord
from scripts.bench import runs
from tests.support.live_arena import LiveArena

DROPS, QUICK_DROPS, ROWS = 25, 4, 60


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """The first quest is left out: the trainer starts for it. `repeats` is of no use here."""
    arena = LiveArena(folder / "world", None)
    seconds = []
    try:
        arena.start()
        for number in range((QUICK_DROPS if quick else DROPS) + 1):
            began = _drop(arena, number)
            arena.wait_for(lambda number=number: len(arena.completed()) == number + 1, "the quest is completed")
            seconds.append(_first_step_ended(arena) - began)
            arena.wait_for(lambda: arena.status.get("state") == "idle", "the daemon is idle")
    finally:
        arena.stop()
    warm = runs.percentiles(seconds[1:], digits=3)
    return runs.row(
        "P7", warm["p95"], None, "s from a whole file in the inbox to the end of the first step, p95, warm",
        seconds=warm, first_with_the_trainers_start=round(seconds[0], 2), drops=len(seconds) - 1,
        versions=runs.versions("torch", "transformers"),
    )  # fmt: skip


def _drop(arena: LiveArena, number: int) -> float:
    """When the file got its final name, or a moment before."""
    began = time.time()
    path = arena.drop(f"quest-{number:03}.jsonl", ROWS, seed=number)
    return max(began, path.stat().st_ctime)


def _first_step_ended(arena: LiveArena) -> float:
    newest = max(arena.world.battles.glob(f"*/{STEPS_FILE}"), key=lambda path: path.stat().st_mtime)
    return StepRecord.unpack(newest.read_bytes()[: StepRecord.SIZE]).time
