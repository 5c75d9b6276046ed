"""What stands before the gate: the file that is looked at now, and what lies in the inbox and is not taken."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path

from arena.queue import inbox
from arena.queue.inbox import LeftLying
from realm.staleness import is_fresh
from realm.world import World

MOST_LYING = 20
GATE_FILE = "gate.json"


@dataclass(frozen=True, kw_only=True)
class Looking:
    quest: str
    rows: int
    progress: float | None


@dataclass(frozen=True, kw_only=True)
class AtTheGate:
    looking: Looking | None
    lying: list[LeftLying]
    """In the inbox and not taken, or not yet."""


def at_the_gate(world: World) -> AtTheGate:
    return AtTheGate(looking=looking_at(world.status / GATE_FILE), lying=inbox.left_lying(world.inbox, most=MOST_LYING))


def looking_at(path: Path) -> Looking | None:
    """None where nothing was said for a while, and for what is none of ours."""
    try:
        said = json.loads(path.read_bytes())
        if not is_fresh(float(said["time"]), time.time()):
            return None
        of_bytes = int(said["of_bytes"])
        progress = min(1.0, int(said["bytes"]) / of_bytes) if of_bytes > 0 else None
        return Looking(quest=str(said["quest"]), rows=int(said["rows"]), progress=progress)
    except (OSError, ValueError, KeyError, TypeError):
        return None
