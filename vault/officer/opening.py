"""Files below a folder, opened so that no link leads out of it, whatever is put there meanwhile."""

from __future__ import annotations

import os
import stat
from pathlib import Path, PurePath

from vault.errors import Damaged

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


def open_below(base: Path, path: PurePath) -> int:
    """A handle on the regular file at `path`, which is relative and names no `..`. Raises Damaged."""
    handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, part in enumerate(path.parts, 1):
            is_last = number == len(path.parts)
            below = os.open(part, _FLAGS if is_last else _FLAGS | os.O_DIRECTORY, dir_fd=handle)
            os.close(handle)
            handle = below
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise Damaged(f"{path.name} is no regular file")
    except (OSError, ValueError) as error:
        os.close(handle)
        raise Damaged(f"{path.name} is missing, or behind a link") from error
    except Damaged:
        os.close(handle)
        raise
    return handle
