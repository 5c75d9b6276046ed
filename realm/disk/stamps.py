"""Whether a file is still the one that was read, by what stat tells of it; for files that are replaced as a whole."""

from __future__ import annotations

from pathlib import Path

Stamp = tuple[int, int, int]


def stamp(path: Path) -> Stamp | None:
    """Inode, time of change in nanoseconds and size; None where there is no file, or nobody can look at it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size
