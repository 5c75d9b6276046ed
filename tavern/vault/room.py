"""What takes the room: the volume of the heroes by what lies there, the rules' before and after, trash, snapshots."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import Sum

from realm.strict import BadConfig
from realm.world import World
from tavern.live_settings import read_settings
from vault.archivist import snapshots
from vault.errors import VaultError
from vault.models import Checkpoint
from vault.treasury import shelf as treasury_shelf
from vault.treasury import trash
from vault.treasury.rules import limits_of
from vault.treasury.shelf import Book, Fate, Shelf

MOST_ENTRIES = 50_000
"""Of a folder that is added up; what has more is told as at least so much."""
SEGMENT_TONES = {"checkpoints": "gold", "trash": "blood", "snapshots": "sky", "battles": "ember", "data": "moss"}


@dataclass(frozen=True, kw_only=True)
class Segment:
    name: str
    size_bytes: int
    start: float
    """Fractions of the volume."""
    width: float
    tone: str


@dataclass(frozen=True, kw_only=True)
class Disk:
    total_bytes: int
    free_bytes: int
    floor_bytes: int
    segments: list[Segment]
    """The last one is what others take."""
    trouble: str = ""

    @property
    def floor_at(self) -> float:
        return max(0.0, 1 - self.floor_bytes / self.total_bytes) if self.total_bytes else 1.0

    @property
    def is_low(self) -> bool:
        return self.free_bytes < self.floor_bytes


def read_disk(world: World) -> Disk:
    usage = shutil.disk_usage(world.heroes.resolve())
    floor, trouble = _floor(world)
    taken = {
        "checkpoints": Checkpoint.objects.aggregate(size=Sum("size_bytes"))["size"] or 0,
        "trash": sum(entry.size_bytes for entry in trash.list_trash(world)),
        "snapshots": sum(one.size_bytes for one in snapshots.list_snapshots(world)),
        "battles": _size(world.battles),
        "data": _size(world.home / "data") + _size(world.queue),
    }
    taken["others"] = max(0, usage.total - usage.free - sum(taken.values()))
    segments, at = [], 0.0
    for name, size in taken.items():
        width = size / usage.total
        tone = SEGMENT_TONES.get(name, "plain")
        segments.append(Segment(name=name, size_bytes=size, start=at, width=width, tone=tone))
        at += width
    return Disk(total_bytes=usage.total, free_bytes=usage.free, floor_bytes=floor, segments=segments, trouble=trouble)


def _floor(world: World) -> tuple[int, str]:
    try:
        return limits_of(read_settings(world)[0]).floor_bytes, ""
    except BadConfig as error:
        return 0, str(error)


def _size(root: Path) -> int:
    """Bytes of the files below, without following links."""
    waiting, size, seen = [root], 0, 0
    while waiting and seen < MOST_ENTRIES:
        try:
            entries: Iterable[os.DirEntry[str]] = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            seen += 1
            if entry.is_dir(follow_symlinks=False):
                waiting.append(Path(entry.path))
            elif not entry.is_symlink():
                size += entry.stat(follow_symlinks=False).st_size
    return size


@dataclass(frozen=True, kw_only=True)
class Plan:
    shelf: Shelf | None
    trouble: str = ""

    @property
    def changed(self) -> list[Book]:
        return [book for book in self.shelf.books if book.fate is not Fate.STAYS] if self.shelf else []

    @property
    def kept(self) -> list[Book]:
        return [book for book in self.shelf.books if book.fate is Fate.STAYS] if self.shelf else []


def read_plan(world: World, hero: str) -> Plan:
    """What the rules would do now; all checkpoints are looked at, so it is made where it is asked for."""
    try:
        return Plan(shelf=treasury_shelf.plan(world, read_settings(world)[0], hero))
    except (VaultError, BadConfig) as error:
        return Plan(shelf=None, trouble=str(error))


def room_context(world: World) -> dict[str, Any]:
    entries = trash.list_trash(world)
    return {
        "disk": read_disk(world),
        "trash": entries,
        "trash_bytes": sum(entry.size_bytes for entry in entries),
        "snapshots": snapshots.list_snapshots(world),
    }
