"""Which checkpoints the inference hosts of a world hold, told in files: who makes room neither asks nor awaits a host.

What a host tells counts for as long as it holds the lock beside it; the kernel drops that however the process ends.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from realm.disk import durable
from realm.disk.locks import Taken, is_held
from realm.disk.locks import held as lock
from realm.world import World

log = logging.getLogger(__name__)

_WAIT_SECONDS = 1.0
"""For a lock that a reader holds for an instant."""


class Served:
    """What one host tells; a context manager that lives as long as the host. `port` keeps two hosts apart."""

    def __init__(self, world: World, port: int) -> None:
        self._path = world.status / f"oracle-{port}.json"
        self._lock = ExitStack()
        self._tells = False
        self._told: list[str] = []

    def __enter__(self) -> Self:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._path.unlink(missing_ok=True)
            self._lock.enter_context(lock(_lock_of(self._path), seconds=_WAIT_SECONDS))
        except OSError as error:  # nobody deletes where nobody can write
            log.warning("what this host holds is told to nobody: %s", error)
            return self
        except Taken:  # by no other host of this port and world: it would have found the port taken
            log.warning("another process holds the lock of this host's status file")
        self._tells = True
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._tells:
            self._path.unlink(missing_ok=True)
            self._lock.close()

    def tell(self, models: Iterable[str]) -> None:
        """Ids as `hero/name`. A disk that is full is logged only: an answer is worth more than a folder."""
        listed = sorted(set(models))
        if not self._tells or listed == self._told:
            return
        try:
            durable.write_json(self._path, listed, sync=False)  # worth nothing after the machine has died
        except OSError as error:
            log.warning("%s cannot be written: %s", self._path, error)
        else:
            self._told = listed


def held(world: World, hero: str) -> set[str]:
    """Names of the hero's checkpoints that a host of this world holds or is about to load."""
    files = world.status.glob("oracle-*.json") if world.status.is_dir() else ()
    ids = (model.partition("/") for path in files if is_held(_lock_of(path)) for model in _read(path))
    return {name for owner, _, name in ids if owner == hero}


def _lock_of(path: Path) -> Path:
    return path.with_suffix(".lock")


def _read(path: Path) -> list[str]:
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:  # the host has just ended
        return []
    return [model for model in value if isinstance(model, str)]
