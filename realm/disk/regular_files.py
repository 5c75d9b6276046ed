"""Files of strangers: only regular ones are opened, and none that is larger than it can sensibly be.

To open a FIFO waits for ever for somebody to write; a device may have no end. Standard library only.
"""

from __future__ import annotations

import os
import stat
from io import BufferedReader
from pathlib import Path


class UnfitFile(ValueError):
    """The file is not what may be read; the text names it and says why."""


def open_regular(path: Path) -> BufferedReader:
    """The file, to be read, which may be behind links. Raises UnfitFile for what is no regular file, or OSError."""
    check_regular(path)
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  # its caller closes it
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):  # changed since
        file.close()
        raise UnfitFile(f"{path} is no regular file")
    return file


def read_regular(path: Path, *, most_bytes: int) -> bytes:
    """All bytes of the file. Raises UnfitFile for what is no regular file or larger, or OSError."""
    with open_regular(path) as file:
        data = file.read(most_bytes + 1)
    if len(data) > most_bytes:
        raise UnfitFile(f"{path} is larger than {most_bytes:,} bytes")
    return data


def check_regular(path: Path) -> os.stat_result:
    """What stat says of the file. Raises UnfitFile for what is no regular file, or OSError."""
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        raise UnfitFile(f"{path} is no regular file")
    return found


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)
