"""What the arena daemon says of itself, and what it remembers on disk: that it rests, and which battle is skipped."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from realm.disk import durable
from realm.disk.locks import is_held
from realm.world import World

LOCK_FILE = "arena.lock"
REST_FILE = "resting.json"
SKIP_FILE = "skip.json"


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
        said = json.loads(world.arena_status.read_bytes())
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
