"""An error of a full disk, in words: which volume, and how many bytes are free there. Standard library only."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from pathlib import Path

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


def is_full(error: BaseException) -> bool:
    """Also where a database says so, whose own error is the cause of what Django raises."""
    if isinstance(error, OSError):
        return error.errno in _FULL
    cause = error.__cause__ or error
    return getattr(cause, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL


def sentence(folder: Path) -> str:
    """Of the volume on which `folder` lies, or would lie."""
    there = next(each for each in (folder, *folder.parents) if each.exists())
    usage = shutil.disk_usage(there)
    return (
        f"{_volume(there)} is full: {usage.free:,} of its {usage.total:,} bytes are free. "
        f"Make room there and start again; what {folder} holds stays as it is."
    )


def _volume(folder: Path) -> Path:
    place = folder.resolve()
    while not os.path.ismount(place):
        place = place.parent
    return place
