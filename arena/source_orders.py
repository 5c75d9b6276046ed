"""The player's wish that the gatekeepers look at files of a folder: command files in `control/` for the daemon."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from realm import strict
from realm.disk import durable
from realm.world import World

_SUFFIX = ".look.json"
MOST_FILES = 50_000


@dataclass(frozen=True, kw_only=True)
class LookOrder:
    source: str
    files: tuple[str, ...]
    """Names within the source's folder."""
    by: str


def send(world: World, *, source: str, files: Sequence[str], by: str) -> Path:
    """Leave an order for the daemon, which looks while no quest waits to be looked at.

    Raises ValueError for more than MOST_FILES.
    """
    if len(files) > MOST_FILES:
        raise ValueError(f"{len(files)} files are more than {MOST_FILES} at once")
    order = LookOrder(source=source, files=tuple(files), by=by)
    path = world.control / f"{time.time_ns():020d}-{os.getpid()}{_SUFFIX}"
    durable.write_json(path, asdict(order))
    return path


def waiting(world: World) -> Iterator[tuple[Path, LookOrder]]:
    """Orders as they were given; a file that is none is deleted."""
    for path in sorted(world.control.glob(f"*{_SUFFIX}")):
        try:
            yield path, strict.read(LookOrder, json.loads(path.read_bytes()), source=str(path))
        except (ValueError, RecursionError):
            path.unlink(missing_ok=True)
        except OSError:
            continue  # a folder, or gone again


def withdraw(world: World, source: str) -> int:
    """Take back what is not looked at yet; returns how many orders were."""
    paths = [path for path, order in waiting(world) if order.source == source]
    for path in paths:
        path.unlink(missing_ok=True)
    return len(paths)


def asked(world: World, source: str) -> dict[str, str]:
    """The files of a source that are yet to be looked at, or were for an order that goes on: order by name."""
    return {name: path.name for path, order in waiting(world) if order.source == source for name in order.files}
