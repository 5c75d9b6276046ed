"""An arena that takes quests in and fights none, and the rows of its index, read beside the daemon."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from arena import status as arena_status
from arena.orders import Wish
from tests.support.injected import without_training
from tests.support.live_arena import LiveArena


@dataclass(frozen=True, kw_only=True)
class Row:
    name: str
    file: str
    state: str
    sha256: str
    refusal: str
    reason: str


def resting_arena(folder: Path, base: Path, **variables: str) -> LiveArena:
    """Its trainer stands in, unless `variables` have a PYTHONPATH of their own."""
    arena = LiveArena(
        folder, base, **{"PYTHONPATH": without_training(folder.with_name(f"{folder.name}-start"))} | variables
    )
    arena_status.rest(arena.world, asked=Wish.PAUSE)
    return arena


def rows(arena: LiveArena) -> list[Row]:
    keys = tuple(Row.__annotations__)
    found = _ask(arena, f"SELECT {', '.join(keys)} FROM arena_quest")
    return [Row(**dict(zip(keys, values, strict=True))) for values in found]


def seen(arena: LiveArena) -> int:
    return int(_ask(arena, "SELECT count(*) FROM arena_quest")[0][0])


def looked_at(arena: LiveArena) -> int:
    return int(_ask(arena, "SELECT count(*) FROM arena_quest WHERE state != 'arrived'")[0][0])


def seconds_until(condition: Callable[[], bool], begun: float, *, most: float, pause: float = 0.05) -> float | None:
    """From `begun`, of the monotonic clock; None where it was not so within `most` seconds from then."""
    while not condition():
        if time.monotonic() - begun > most:
            return None
        time.sleep(pause)
    return time.monotonic() - begun


def _ask(arena: LiveArena, question: str) -> list[tuple[str, ...]]:
    with closing(sqlite3.connect(f"{arena.world.database.as_uri()}?mode=ro", uri=True, timeout=20)) as index:
        return index.execute(question).fetchall()
