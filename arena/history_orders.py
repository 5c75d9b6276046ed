"""What the player wishes of battles that are over: command files in `control/`, carried out by the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from realm.disk.mailbox import Mailbox
from realm.world import World

SLICE = 32
"""Battles that an order is carried out for at once; other commands come between."""


class Act(StrEnum):
    DELETE = "delete"
    """Their steps go to the trash; what they won, and what their checkpoints need, stays."""
    RESTORE = "restore"


@dataclass(frozen=True, kw_only=True)
class HistoryOrder:
    act: Act
    battles: tuple[str, ...]
    by: str
    done: int = 0
    """Battles of the same wish that were seen to before."""
    freed_bytes: int = 0


MAILBOX = Mailbox(HistoryOrder, ".battles.json", largest_bytes=4 * 1024 * 1024)


def send(world: World, *, act: Act, battles: Sequence[str], by: str) -> None:
    """Leave an order for the daemon; it acts within a second, or when it is next started."""
    MAILBOX.leave(world, HistoryOrder(act=act, battles=tuple(battles), by=by), label=act)
