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
    """Of each number that was both estimated and measured: the largest relative error over the battles."""
    errors: dict[str, float] = {}
    for battle in battles:
        began, ended = battle.first(EventKind.BATTLE_STARTED), battle.first(EventKind.BATTLE_COMPLETED)
        estimated = (began.data.get("estimate") if began else None) or {}
        measured = (ended.data.get("measured") if ended else None) or {}
        for name in sorted(set(estimated) & set(measured)):
            if isinstance(measured[name], int | float) and measured[name] and isinstance(estimated[name], int | float):
                error = abs(estimated[name] / measured[name] - 1)
                errors[name] = max(errors.get(name, 0.0), round(error, 3))
    if not errors:
        note = "not shown: the battle's events carry no estimate and no measurement of the same name"
        return runs.row("P16", None, None, "largest relative error of the estimate", note=note)
    return runs.row(
        "P16", max(errors.values()), None, "largest relative error of the estimate", errors=errors, battles=len(battles)
    )
