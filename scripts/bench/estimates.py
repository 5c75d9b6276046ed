"""P16: what was estimated before a battle against what it measured, of the CPU hero."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arena import embedded
from arena.protocol import EventKind
from scripts.bench import runs
from scripts.bench.runs import Battle

ROWS, QUICK_ROWS = 3000, 600


def measure(folder: Path, *, repeats: int, quick: bool) -> dict[str, Any]:
    from scripts.bench.hero_throughput import RECIPE, lessons  # knows Django's guild; the GPU rows read errors_of alone

    base, quest = embedded.ensure(folder), folder / "quest.jsonl"
    quest.write_bytes(lessons(QUICK_ROWS if quick else ROWS))
    return errors_of([runs.fight(folder / f"run-{turn}", base, quest, RECIPE) for turn in range(repeats)])


def errors_of(battles: list[Battle]) -> dict[str, Any]:
    """Of memory and time, which a battle's end holds against its beginning: the largest relative error."""
    ends = [event.data["measured"] for battle in battles if (event := battle.first(EventKind.BATTLE_COMPLETED))]
    errors = {
        name: round(max(told), 3)
        for name in ("memory_error", "seconds_error")
        if (told := [abs(end[name]) for end in ends if end and end[name] is not None])
    }
    note = {} if "seconds_error" in errors else {"note": "time: no battle of this size was measured here before"}
    largest = max(errors.values(), default=None)
    return runs.row(
        "P16", largest, None, "largest relative error of the estimate", errors=errors, battles=len(battles), **note
    )
