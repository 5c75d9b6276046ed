"""What a service said last on its console, before it ended."""

from __future__ import annotations

import os

from realm.logs.bounded import text
from realm.world import World

MOST_LINES = 5
LONGEST_LINE = 500
_MOST_BYTES = 16 * 1024


def of(world: World, service: str, count: int = MOST_LINES) -> tuple[str, ...]:
    """The oldest first, without what drives a terminal; empty where it said nothing or nobody can read it."""
    try:
        with open(world.logs / service / f"{service}.log", "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - _MOST_BYTES))
            said = log.read(_MOST_BYTES).decode(errors="replace")
    except OSError:
        return ()
    lines = [line.rstrip() for line in said.splitlines() if line.strip()]
    return tuple(text(line, LONGEST_LINE) for line in lines[-count:])
