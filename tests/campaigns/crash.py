"""A1, A2 and A4: what is killed, wherever it is killed."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns import kill_points, storm
from tests.campaigns.report import Figure

KILLS, QUESTS, ROWS = 200, 40, 1000
QUICK_KILLS, QUICK_QUESTS, QUICK_ROWS = 1, 1, 300


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    figures = kill_points.of_a_save(folder / "save", seed=seed, quick=quick)
    figures += kill_points.of_the_queue(folder / "queue", seed=seed, quick=quick)
    kills = count or (QUICK_KILLS if quick else KILLS)
    quests = QUICK_QUESTS if quick else max(1, min(QUESTS, kills // 5))
    rows = QUICK_ROWS if quick and not count else ROWS
    return figures + storm.run(folder / "storm", kills=kills, quests=quests, rows=rows, seed=seed)
