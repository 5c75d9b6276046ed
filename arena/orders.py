"""What the player wishes of the arena: command files in `control/`, carried out by the daemon."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from realm.disk.mailbox import Mailbox
from realm.world import World


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
    battle: str = ""
    """The one battle that is meant, where it is still under way; empty: whichever is."""


TOUCHED = {f".{wish}": Request(wish=wish, by="touch") for wish in (Wish.PAUSE, Wish.RESUME, Wish.STOP)}
"""Files that say it by their names alone: `touch control/.pause`."""
MAILBOX = Mailbox(Request, ".command.json", plain=TOUCHED)


def send(world: World, *, wish: Wish, by: str, battle: str = "") -> Path:
    """Leave a command for the daemon; it acts within a second, or when it is next started.

    With `battle` no other one is paused, resumed or ended, and its pause ends with it.
    """
    return MAILBOX.leave(world, Request(wish=wish, by=by, battle=battle), label=wish)
