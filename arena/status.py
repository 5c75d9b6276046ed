"""What the arena daemon says of itself, and what it remembers on disk: that it rests, and which battle is skipped."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from realm import strict
from realm.disk import durable, mailbox
from realm.disk.locks import is_held
from realm.disk.mailbox import Damaged
from realm.heartbeat import Heartbeat
from realm.world import World

LOCK_FILE = "arena.lock"
REST_FILE = "resting.json"
SKIP_FILE = "skip.json"
_KEYS = {REST_FILE: "asked", SKIP_FILE: "battle"}
"""Without which they say nothing."""
LARGEST_BYTES = 16 * 1024 * 1024
"""Reasons quote the last lines of a log, which may be long."""


def rest(world: World, *, asked: str, reason: str = "", **facts: str) -> None:
    """Nothing is fought from now on, until `end_rest`: `asked` is a wish, or the daemon's own `trouble` or `faults`.

    `facts` are what the daemon wants to know again of its reason.
    """
    told = {"asked": asked} | ({"reason": reason} if reason else {}) | facts
    durable.write_json(world.control / REST_FILE, told)


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


def set_damaged_aside(world: World, tell: Callable[[str], None]) -> None:
    """What cannot be read says nothing, and lies under another name from now on; `tell` hears of it."""
    for name in _KEYS:
        path = world.control / name
        try:
            _texts(path)
        except FileNotFoundError:
            continue
        except Damaged as why:
            with suppress(OSError):  # not ours to rename; it says nothing all the same
                tell(mailbox.set_aside(path, str(why)))


def _read(path: Path) -> dict[str, str]:
    try:
        return _texts(path)
    except (FileNotFoundError, Damaged):
        return {}


def _texts(path: Path) -> dict[str, str]:
    value = mailbox.read_json(path, largest_bytes=LARGEST_BYTES)
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise Damaged("it is no mapping of texts")
    if _KEYS[path.name] not in value:
        raise Damaged(f"{_KEYS[path.name]} is missing")
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
    starts: bool = False
    """It lives and has told nothing yet: all else is what the daemon before it said."""


def daemon_alive(world: World) -> bool:
    """Whether some process holds the daemon's lock."""
    return is_held(world.control / LOCK_FILE)


def read_status(world: World) -> ArenaStatus:
    alive = daemon_alive(world)
    try:
        value = mailbox.read_json(world.arena_status, largest_bytes=LARGEST_BYTES)
    except (OSError, Damaged):
        value = {}
    said = Heartbeat(value)
    holder = _pid_of_daemon(world) if alive else None
    return ArenaStatus(
        alive=alive,
        state=said.text("state") or "offline" if alive else "offline",
        message=said.text("message") or "" if alive else "The arena is not running",
        waits=alive and said.is_true("waits"),
        battle=said.text("battle"),
        quest=said.text("quest"),
        time=said.time,
        pid=said.pid,
        starts=holder is not None and holder != said.pid,
    )


def _pid_of_daemon(world: World) -> int | None:
    try:
        return strict.whole_number((world.control / LOCK_FILE).read_text(encoding="ascii", errors="replace").strip())
    except OSError:
        return None
