"""Tasks that the player wants now: files in `control/`, claimed by the Task Master when it begins them.

A wish outlives both who wished and the Task Master. It overrules what the task waits for, save its resource: nothing
runs beside another task of the same one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from realm.disk.mailbox import Mailbox
from realm.world import World


@dataclass(frozen=True, kw_only=True)
class Wish:
    task: str
    by: str = ""


MAILBOX = Mailbox(Wish, ".task.json")


def send(world: World, name: str, *, by: str) -> Path:
    return MAILBOX.leave(world, Wish(task=name, by=by))


def waiting(world: World, *, on_damaged: Callable[[str], None] | None = None) -> dict[str, list[Path]]:
    """The files by the task that each names, the oldest first; what is no wish goes as in `Mailbox.waiting`."""
    found: dict[str, list[Path]] = {}
    for path, wish in MAILBOX.waiting(world, on_damaged=on_damaged):
        found.setdefault(wish.task, []).append(path)
    return found


def forget(paths: list[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
