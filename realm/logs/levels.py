"""How much each service logs: the setting `log_level`, and over it what was chosen while it runs.

The choice is a file that a process looks at when it has something to log, at most once a second; nobody is signalled.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from realm.config import LOG_LEVELS
from realm.disk import durable, locks
from realm.disk.regular_files import UnfitFile, read_regular
from realm.disk.stamps import Stamp, stamp
from realm.world import World

LOOK_SECONDS = 1.0
MOST_CHOSEN = 100
"""More would make a file that nobody reads."""
_FILE, _LOCK = "levels.json", ".levels.lock"
_MOST_BYTES = 64 * 1024


def number(level: str) -> int:
    """Of the logging module."""
    return logging.getLevelNamesMapping()[level.upper()]


def set_level(world: World, service: str, level: str) -> None:
    """From now on, within two seconds; an empty level gives the setting `log_level` back its say.

    Raises ValueError for a level or a service's name that cannot be, OSError.
    """
    if level and level not in LOG_LEVELS:
        raise ValueError(f"level: {level[:40]!r} is not allowed; allowed are {', '.join(LOG_LEVELS)}")
    if not service or len(service) > 80 or not service.isprintable():
        raise ValueError(f"service: {service[:80]!r} is no service's name")
    world.logs.mkdir(parents=True, exist_ok=True)
    with locks.held(world.logs / _LOCK):
        chosen = {name: one for name, one in chosen_levels(world).items() if name != service}
        if level and len(chosen) >= MOST_CHOSEN:
            raise ValueError(f"service: levels of {MOST_CHOSEN} services are chosen already; give one back first")
        durable.write_json(path_of(world), chosen | ({service: level} if level else {}), mode=0o600, sync=False)


def chosen_levels(world: World) -> Mapping[str, str]:
    """By service; a file that is missing or damaged chooses nothing."""
    return _read(path_of(world))


def path_of(world: World) -> Path:
    return world.logs / _FILE


def _read(path: Path) -> dict[str, str]:
    with suppress(OSError, UnfitFile, ValueError):
        value: Any = json.loads(read_regular(path, most_bytes=_MOST_BYTES))
        if isinstance(value, dict):
            return {name: level for name, level in value.items() if level in LOG_LEVELS}
    return {}


class LevelFilter(logging.Filter):
    """Lets through what the service shall log now."""

    def __init__(self, path: str, service: str, default: str) -> None:
        super().__init__()
        self._path, self._service, self._default = Path(path), service, default
        self._least = number(default)
        self._look_at = 0.0
        self._seen: Stamp | None = None

    def filter(self, record: logging.LogRecord) -> bool:
        if (now := time.monotonic()) >= self._look_at:
            self._look_at = now + LOOK_SECONDS
            self._look()
        return record.levelno >= self._least

    def _look(self) -> None:
        seen = stamp(self._path)
        if seen != self._seen:
            self._seen = seen
            self._least = number(_read(self._path).get(self._service, self._default))
