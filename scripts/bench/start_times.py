"""P8: from `start_all.sh` on an installed checkout to the Tavern's page, and to the first step of a waiting quest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arena.protocol import STEPS_FILE, StepRecord
from scripts.bench import runs
from scripts.bench.started_realm import StartedRealm, seconds_until
from tests.support import tiny_hero

ROWS = 60


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    """Each start is of a fresh world with the embedded hero."""
    pages, steps = [], []
    for number in range(repeats):
        realm = StartedRealm(folder / f"{number}")
        tiny_hero.write_quest(realm.world.inbox / "waiting.jsonl", ROWS, seed=number)
        with realm.started() as began:
            pages.append(seconds_until(realm.answers, began))
            steps.append(seconds_until(lambda realm=realm: _has_step(realm), began))
    told = {"page": runs.percentiles(pages, digits=2), "first_step": runs.percentiles(steps, digits=2)}
    return runs.row(
        "P8", told["page"]["p50"], None, "s from start_all.sh to the Tavern's first page, median",
        **told, repeats=repeats, versions=runs.versions("torch", "django"),
    )  # fmt: skip


def _has_step(realm: StartedRealm) -> bool:
    return any(path.stat().st_size >= StepRecord.SIZE for path in realm.world.battles.glob(f"*/{STEPS_FILE}"))
