"""What the player wishes of the arena: command files in `control/`, claimed and carried out by the daemon."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from realm import durable
from realm.one_instance import is_held
from realm.world import World

LOCK_FILE = "arena.lock"
STATUS_FILE = "arena.json"
REST_FILE = "resting.json"
SKIP_FILE = "skip.json"
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


def rest(world: World, *, asked: str, reason: str = "") -> None:
    """Nothing is fought from now on, until `end_rest`: `asked` is a wish, or the daemon's own `trouble` or `faults`."""
    durable.write_json(world.control / REST_FILE, {"asked": asked} | ({"reason": reason} if reason else {}))


def end_rest(world: World) -> None:
    (world.control / REST_FILE).unlink(missing_ok=True)


def read_rest(world: World) -> dict[str, str]:
    """What was `asked`, and the `reason` where the arena itself asked; empty while nobody wants rest."""
    return _read(world.control / REST_FILE)


def note_skip(world: World, battle_id: str) -> None:
    """This battle is to end as skipped, whatever dies before it has."""
    durable.write_json(world.control / SKIP_FILE, {"battle": battle_id})


def forget_skip(world: World) -> None:
    (world.control / SKIP_FILE).unlink(missing_ok=True)


def skipped_battle(world: World) -> str | None:
    return _read(world.control / SKIP_FILE).get("battle")


def _read(path: Path) -> dict[str, str]:
    try:
        value: dict[str, str] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return value


@dataclass(frozen=True, kw_only=True)
class ArenaStatus:
    """What the daemon said last, and whether it lives."""

    alive: bool
    state: str
    """`training`, `preparing`, `paused`, `resting`, `idle` or `offline`."""
    message: str
    waits: bool
    """The battle is paused only until there is room on the disk; it goes on by itself."""
    battle: str | None
    quest: str | None
    time: float | None
    pid: int | None


def daemon_alive(world: World) -> bool:
    """Whether some process holds the daemon's lock."""
    return is_held(world.control / LOCK_FILE)


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
        waits=alive and bool(said.get("waits")),
        battle=said.get("battle"),
        quest=said.get("quest"),
        time=said.get("time"),
        pid=said.get("pid"),
    )
