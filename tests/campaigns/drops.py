"""A5 to A8: how quests come in, through real daemons at rest."""

from __future__ import annotations

from pathlib import Path

from tests.campaigns import floods, slow_writers, twins, two_daemons
from tests.campaigns.report import Figure
from tests.support import tiny_hero

RACES, REPEATS, TWINS, WRITERS, HELD_SECONDS, FLOOD = 100, 5, 1000, 100, 60.0, 10_000
QUICK_RACES, QUICK_REPEATS, QUICK_TWINS, QUICK_WRITERS, QUICK_HELD_SECONDS, QUICK_FLOOD = 5, 1, 20, 5, 3.0, 100


def run(folder: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count` is the number of files that are dropped at once, in place of the promised one."""
    base = tiny_hero.make_base(folder / "base")
    races, repeats = (QUICK_RACES, QUICK_REPEATS) if quick else (RACES, REPEATS)
    writers, held_seconds = (QUICK_WRITERS, QUICK_HELD_SECONDS) if quick else (WRITERS, HELD_SECONDS)
    return [
        *two_daemons.run(folder / "daemons", base, races=races, repeats=repeats),
        *twins.run(folder / "twins", base, seed=seed, drops=QUICK_TWINS if quick else TWINS),
        *slow_writers.run(folder / "writers", base, seed=seed, writers=writers, held_seconds=held_seconds),
        *floods.run(folder / "floods", base, files=count or (QUICK_FLOOD if quick else FLOOD), quick=quick),
    ]
