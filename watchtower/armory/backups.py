"""Copies of the world's settings file, one before each change that is critical; the newest come first."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from realm.config import config_file
from realm.config_edit import LOCK_FILE
from realm.disk import durable, locks
from realm.world import World
from realm.yaml_files import read_yaml

MOST = 20
"""Older ones make room."""
_NAME = re.compile(r"config\.yaml\.bak-\d{8}-\d{6}-\d{3}")


class NoSuchBackup(ValueError):
    """One sentence for the player."""


@dataclass(frozen=True, kw_only=True)
class Backup:
    name: str
    made_at: datetime
    size_bytes: int


def make(world: World) -> str:
    """Name of a copy of the file as it stands; of none, it is an empty one."""
    path = config_file(world)
    now = datetime.now(UTC)
    name = f"{path.name}.bak-{now:%Y%m%d-%H%M%S}-{now.microsecond // 1000:03d}"
    if path.exists():
        durable.write_bytes(world.home / name, path.read_bytes(), mode=path.stat().st_mode & 0o777)
    else:
        durable.write_bytes(world.home / name, b"", mode=0o644)
    for old in list_all(world)[MOST:]:
        (world.home / old.name).unlink(missing_ok=True)
    return name


def list_all(world: World) -> list[Backup]:
    """What only looks like one by its name is left out."""
    found = (_read(path) for path in sorted(world.home.glob("config.yaml.bak-*"), reverse=True))
    return [backup for backup in found if backup]


def _read(path: Path) -> Backup | None:
    if not _NAME.fullmatch(path.name):
        return None
    try:
        made_at = datetime.strptime(path.name[16:], "%Y%m%d-%H%M%S-%f").replace(tzinfo=UTC)
        return Backup(name=path.name, size_bytes=path.stat().st_size, made_at=made_at)
    except (ValueError, OSError):
        return None


def restore(world: World, name: str, *, check: Callable[[Mapping[str, Any]], object]) -> str:
    """Put a copy back in the file's place. Returns the name of the copy that was made of what stood there.

    `check` gets the settings of the copy. Raises NoSuchBackup, or what it raises; then nothing is changed.
    """
    if not any(backup.name == name for backup in list_all(world)):
        raise NoSuchBackup(f"there is no copy {name!r} of the settings; `manage.py settings backups` lists them")
    check(read_yaml(world.home / name))
    with locks.held(world.control / LOCK_FILE):
        before = make(world)
        copy = world.home / name
        durable.write_bytes(config_file(world), copy.read_bytes(), mode=copy.stat().st_mode & 0o777)
    return before
