"""An error of a disk that fails or takes no writes, in words. Standard library only."""

from __future__ import annotations

import errno
import os
from pathlib import Path

_FAILING = frozenset({errno.EIO, errno.EROFS, errno.ENXIO})


def is_failing(error: BaseException) -> bool:
    """Whether the disk itself is at fault, not what was asked of it."""
    return isinstance(error, OSError) and error.errno in _FAILING


def sentence(error: OSError, folder: Path) -> str:
    """Of the disk on which `folder` lies; `error` says what it refused."""
    said = error.strerror or os.strerror(error.errno or errno.EIO)
    return (
        f"The disk of {folder} did not take what was to be written: {said}. It is not done, and what was there before "
        "stays. `dmesg` may say what ails the disk; do it again when it is well."
    )
