"""Room held back on the world's volume, so that status, events and database can still be written when it is full.

A file of real blocks that is deleted when a disk is found full, and made again when there is room to spare. It holds
nothing worth keeping, so it does not go through realm.disk.durable. Standard library only.
"""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from pathlib import Path

FILE = ".ballast"
SIZE_BYTES = 4 * 1024 * 1024
ROOM_FACTOR = 4
"""Made again only where this many times its size is free: it must not take what somebody waits for."""


class Ballast:
    def __init__(self, path: Path, size_bytes: int = SIZE_BYTES) -> None:
        self._path = path
        self._size_bytes = size_bytes

    @property
    def held(self) -> bool:
        try:
            return self._path.stat().st_size == self._size_bytes
        except OSError:
            return False

    def drop(self) -> bool:
        """Give the room back; whether there was any to give."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True

    def hold(self) -> bool:
        """Hold the room unless it is held; False where there is too little, or none can be allotted."""
        if self.held:
            return True
        self.drop()
        try:
            if shutil.disk_usage(self._path.parent).free < ROOM_FACTOR * self._size_bytes:
                return False
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size_bytes)
            finally:
                os.close(handle)
        except OSError:
            with suppress(OSError):
                self._path.unlink()
            return False
        return True
