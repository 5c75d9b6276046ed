"""Tasks that the player wants now: files in `control/`, claimed by the Task Master when it begins them.

A wish outlives both who wished and the Task Master. It overrules what the task waits for, save its resource: nothing
runs beside another task of the same one.
"""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

from realm.disk import durable
from realm.world import World

_SUFFIX = ".task.json"


def send(world: World, name: str, *, by: str) -> Path:
    path = world.control / f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"
    durable.write_json(path, {"task": name, "by": by})
    return path


def waiting(world: World) -> dict[str, list[Path]]:
    """The files by the task that each names, the oldest first; what is no wish is deleted."""
    found: dict[str, list[Path]] = {}
    for path in sorted(world.control.glob(f"*{_SUFFIX}")):
        try:
            found.setdefault(str(json.loads(path.read_bytes())["task"]), []).append(path)
        except (ValueError, KeyError, TypeError, RecursionError):
            path.unlink(missing_ok=True)
        except OSError:  # gone again
            continue
    return found


def forget(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
