"""Files that a browser sends become quests: slice by slice with scripts, as one form without.

The web server hands a request's body to Django in memory, so a large file comes in slices of a few megabytes, each
appended to a temp file inside the world; the last one makes it a quest.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from io import FileIO
from pathlib import Path

from arena.queue import asking, names
from arena.queue.asking import Wanted
from realm.disk import room
from realm.disk.durable import TEMP_PREFIX
from realm.disk.room import NoRoom
from realm.web import upload_handler
from realm.world import World

LARGEST_SLICE_BYTES = 16 * 1024**2
_KEY = re.compile(r"[0-9a-f]{32}")


class RefusedUpload(ValueError):
    """One sentence for the player."""


class WrongPlace(ValueError):
    """The slice does not begin where the last one ended: `size` bytes are here."""

    def __init__(self, size: int) -> None:
        super().__init__(f"{size} bytes are here")
        self.size = size


def take_slice(world: World, key: str, data: bytes, *, offset: int, total: int, wanted: Wanted) -> Path | None:
    """Append a slice; the quest's file once it is whole. Raises RefusedUpload, WrongPlace, or OSError."""
    if not _KEY.fullmatch(key):
        raise RefusedUpload("The upload has no proper key; load the page again.")
    name = names.file_name(wanted.name)
    if not 0 <= offset <= offset + len(data) <= total:
        raise RefusedUpload(f"{names.shown(name)} has changed while it was sent; send it again.")
    temp = world.uploads / f"{TEMP_PREFIX}{key}"
    if offset == 0:
        _begin(world, temp, total)
    size = _append(temp, data, offset)
    if size < total:
        return None
    return asking.ask_temp(world, temp, wanted)


def _begin(world: World, temp: Path, total: int) -> None:
    upload_handler.sweep(world.uploads)
    try:
        room.check(world.home, total)
    except NoRoom as error:
        raise RefusedUpload(str(error)) from error
    temp.unlink(missing_ok=True)
    os.close(os.open(temp, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600))


def _append(temp: Path, data: bytes, offset: int) -> int:
    """The file's size afterwards. What does not fit on the disk is cut off again."""
    try:
        size = temp.lstat().st_size
    except FileNotFoundError:
        raise WrongPlace(0) from None
    if size != offset:
        raise WrongPlace(size)
    with open_to_append(temp) as file:
        try:
            _write_all(file, data)
        except OSError:
            with suppress(OSError):
                file.truncate(offset)
            raise
    return size + len(data)


def open_to_append(temp: Path) -> FileIO:
    """Unbuffered: closing a buffered file would write the rest of what was cut off."""
    return open(os.open(temp, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW), "ab", buffering=0)


def _write_all(file: FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]
