"""Room on a disk for what comes over the network. Standard library only."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path

SPARE_BYTES = 256 * 1024**2
"""What an upload leaves free: the arena saves its checkpoints there."""


class NoRoom(OSError):
    """The text is one sentence for whoever sent it."""

    def __init__(self) -> None:
        super().__init__(
            errno.ENOSPC, "There is not enough room on the disk for this file; free some and send it again."
        )

    def __str__(self) -> str:
        return str(self.strerror)


def check(folder: Path, size_bytes: int = 0) -> None:
    """Whether so many bytes more would leave enough free where `folder` lies. Raises NoRoom, OSError."""
    if shutil.disk_usage(folder).free < size_bytes + SPARE_BYTES:
        raise NoRoom
