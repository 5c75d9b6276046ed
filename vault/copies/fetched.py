"""What was fetched aside, in `vault/fetched/<asset id>/<version>/`: kept while it is used, and no copy that counts.

It has no row, so that no other copy is ever dropped for it.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from realm.disk import durable
from realm.disk.durable import TEMP_PREFIX
from realm.world import World
from vault.models import Asset

KEPT_SECONDS = 30 * 24 * 3600.0
"""Since it was asked for, or read where the file system says when that was."""
_VERSION = re.compile(r"[0-9a-f]{12}")


def place_of(world: World, asset: Asset) -> Path:
    return world.vault / "fetched" / asset.asset_id / asset.manifest_sha256[:12] / asset.name


def ask_for(place: Path) -> bool:
    """Whether it is there; it then stays for as long again."""
    try:
        os.utime(place.parent)
    except FileNotFoundError:
        return False
    return place.exists()


def sweep(world: World, *, base_model: str = "") -> list[str]:
    """Delete what nobody has used for KEPT_SECONDS, save for what training begins from; as `<asset id>/<version>`."""
    base, swept = Path(base_model).resolve(), []
    for version in list(_versions(world)):
        if not base.is_relative_to(version.resolve()) and time.time() - _used_at(version) > KEPT_SECONDS:
            doomed = version.with_name(f"{TEMP_PREFIX}doomed-{version.name}")
            version.rename(doomed)
            durable.sync_folder(doomed.parent)
            shutil.rmtree(doomed)
            swept.append(f"{version.parent.name}/{version.name}")
    return swept


def _versions(world: World) -> Iterator[Path]:
    for asset in _folders(world.vault / "fetched"):
        durable.sweep_temps(asset)
        yield from (path for path in _folders(asset) if _VERSION.fullmatch(path.name))


def _folders(folder: Path) -> list[Path]:
    if folder.is_symlink() or not folder.is_dir():
        return []
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]


def _used_at(version: Path) -> float:
    files = [path.lstat() for path in version.rglob("*") if path.is_file()]
    return max(version.stat().st_mtime, *(info.st_atime for info in files), 0.0)
