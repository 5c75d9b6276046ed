"""What the player wishes of the arena: command files in `control/`, claimed and carried out by the daemon."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from realm import durable
from realm.world import World

LOCK_FILE = "arena.lock"
STATUS_FILE = "arena.json"
_SUFFIX = ".command.json"


class Wish(StrEnum):
    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"


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


@dataclass(frozen=True, kw_only=True)
class ArenaStatus:
    """What the daemon said last, and whether it lives."""

    alive: bool
    state: str
    """`training`, `preparing`, `paused`, `resting`, `idle` or `offline`."""
    message: str
    battle: str | None
    quest: str | None
    time: float | None
    pid: int | None


def daemon_alive(world: World) -> bool:
    """Whether some process holds the daemon's lock; the kernel drops it however that process ends."""
    try:
        handle = os.open(world.control / LOCK_FILE, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)
    return False


def read_status(world: World) -> ArenaStatus:
    alive = daemon_alive(world)
    try:
        said = json.loads((world.status / STATUS_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        said = {}
    return ArenaStatus(
        alive=alive,
        state=said.get("state", "offline") if alive else "offline",
        message=said.get("message", "") if alive else "The arena is not running",
        battle=said.get("battle"),
        quest=said.get("quest"),
        time=said.get("time"),
        pid=said.get("pid"),
    )
