"""How often supervisord has started each service, by its own log."""

from __future__ import annotations

import os
import re
from collections import Counter

from realm.world import World

MOST_BYTES = 256 * 1024
"""Of the log's end; what was started before it is not counted."""
_BEGAN = b"supervisord started with pid"
_SPAWNED = re.compile(rb"spawned: '([^']{1,80})' with pid \d+")


def starts(world: World) -> dict[str, int]:
    """By service, since this supervisord began; empty where it has written nothing."""
    try:
        with open(world.logs / "weaver" / "weaver.log", "rb") as log:
            log.seek(max(0, log.seek(0, os.SEEK_END) - MOST_BYTES))
            told = log.read(MOST_BYTES)
    except OSError:
        return {}
    newest = told[max(0, told.rfind(_BEGAN)) :]
    return dict(Counter(name.decode(errors="replace") for name in _SPAWNED.findall(newest)))
