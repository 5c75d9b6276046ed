"""What the player wishes of the arena: command files in `control/`, claimed and carried out by the daemon."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from realm.disk import durable
from realm.world import World

_SUFFIX = ".command.json"


class Wish(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    SKIP = "skip"
    """Save and end this battle, then go on with the next quest."""


@dataclass(frozen=True, kw_only=True)
class Request:
    wish: Wish
    by: str
    path: Path


def send(world: World, *, wish: Wish, by: str) -> Path:
    """Leave a command for the daemon; it acts within a second, or when it is next started."""
    path = world.control / f"{time.time_ns():020d}-{os.getpid()}-{wish}{_SUFFIX}"
    durable.write_json(path, {"wish": wish, "by": by})
    return path


def waiting(world: World) -> Iterator[Request]:
    """Commands in the order they were given; a file that is no command is deleted."""
    for path in sorted(world.control.glob(f"*{_SUFFIX}")):
        try:
            value = json.loads(path.read_bytes())
            yield Request(wish=Wish(value["wish"]), by=str(value["by"]), path=path)
        except (ValueError, KeyError, TypeError):
            path.unlink(missing_ok=True)
        except OSError:
            continue  # a folder, or gone again
