"""Quests as the daemon leaves them: a row, a file in its folder, and what the gatekeepers wrote beside it."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from arena.gate import report as reports
from arena.gate.report import Lengths, Report
from arena.models import Quest
from arena.rows.parse import Refusal
from realm.world import World

HOSTILE = "\"><script>alert(1)</script><img src=x onerror=alert(2)>'&{{ 7 }}"
State = Quest.State
OVER = (State.COMPLETED, State.FAILED, State.CANCELLED)
_FOLDERS = {State.BATTLING: "processing", State.COMPLETED: "recently_completed"} | dict.fromkeys(
    (State.FAILED, State.CANCELLED), "failed"
)
ROWS = ({"prompt": "2 + 2 =", "completion": "4"}, {"prompt": "3 + 3 =", "completion": "6"})


def make_quest(
    world: World,
    name: str,
    state: str = State.QUEUED,
    *,
    rows: tuple[Any, ...] = ROWS,
    priority: str = "normal",
    **fields: Any,
) -> Quest:
    file = f"{_FOLDERS.get(State(state), priority)}/{name.replace('/', '_')[:80]}.jsonl"
    data = "".join(f"{json.dumps(row)}\n" for row in rows).encode()
    (world.queue / file).write_bytes(data)
    now = datetime.now(UTC)
    values = {
        "sha256": hashlib.sha256(data).hexdigest(), "file": file, "rows": len(rows), "taken": len(rows),
        "size_bytes": len(data), "data_format": "prompt-completion", "arrived_at": now,
        "ended_at": now if state in OVER else None,
    }  # fmt: skip
    return Quest.objects.create(name=name, state=state, priority=priority, **values | fields)


def path_of(world: World, quest: Quest) -> Path:
    return world.queue / quest.file


def write_report(world: World, quest: Quest, *, refused: tuple[Refusal, ...] = (), **fields: Any) -> Report:
    """A report that names `refused`, and the quarantine with `bad row <line>` for each."""
    kinds = {refusal.kind: 1 for refusal in refused}
    values: dict[str, Any] = {
        "quest": path_of(world, quest).name, "sha256": quest.sha256, "size_bytes": quest.size_bytes,
        "format": quest.data_format, "rows": quest.rows, "taken": quest.taken, "refused": refused,
        "refused_count": len(refused), "refused_by_kind": kinds, "quarantined": len(refused), "tokens": 100,
        "trained_tokens": 40, "trained_share": 0.4, "steps": 7, "packed_rows": 3, "packing_efficiency": 0.9,
        "lengths": Lengths(min=3, median=8, mean=9.5, p95=20, max=24, histogram=((1, 8, 5), (9, 16, 0), (17, 24, 1))),
    }  # fmt: skip
    report = Report(**values | fields)
    path = path_of(world, quest)
    reports.write_report(path, report)
    if refused:
        raw = "".join(f'{{"bad row": {refusal.line}}}\n' for refusal in refused)
        reports.companion(path, reports.QUARANTINE).write_text(raw)
    return report


def orders(world: World) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in sorted(world.control.glob("*.quests.json"))]
