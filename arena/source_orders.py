"""The player's wish that the gatekeepers look at files of a folder: command files in `control/` for the daemon."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from realm.disk.mailbox import Mailbox
from realm.world import World

MOST_FILES = 50_000


@dataclass(frozen=True, kw_only=True)
class LookOrder:
    source: str
    files: tuple[str, ...]
    """Names within the source's folder."""
    by: str

    def __post_init__(self) -> None:
        if len(self.files) > MOST_FILES:
            raise ValueError(f"{len(self.files)} files are more than {MOST_FILES} at once")


MAILBOX = Mailbox(LookOrder, ".look.json", largest_bytes=MOST_FILES * 1024)


def send(world: World, *, source: str, files: Sequence[str], by: str) -> Path:
    """Leave an order for the daemon, which looks while no quest waits to be looked at.

    Raises ValueError for more than MOST_FILES.
    """
    return MAILBOX.leave(world, LookOrder(source=source, files=tuple(files), by=by))


def withdraw(world: World, source: str) -> int:
    """Take back what is not looked at yet; returns how many orders were."""
    paths = [path for path, order in MAILBOX.waiting(world) if order.source == source]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def asked(world: World, source: str) -> dict[str, str]:
    """The files of a source that are yet to be looked at, or were for an order that goes on: order by name."""
    orders = (each for each in MAILBOX.waiting(world) if each[1].source == source)
    return {name: path.name for path, order in orders for name in order.files}
