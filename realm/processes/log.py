"""The log that a child process writes, on standard error or on both outputs."""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

LARGEST_BYTES = 10 * 1024 * 1024


class ChildLog:
    def __init__(self, path: Path) -> None:
        self._path = path
        self._start = 0

    @contextmanager
    def opened(self) -> Iterator[BinaryIO]:
        """For a new child, which appends to it; a large one is put aside first."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._path.exists() and self._path.stat().st_size > LARGEST_BYTES:
            os.replace(self._path, self._path.with_suffix(".log.1"))
        with open(self._path, "ab") as log:
            self._start = log.tell()
            yield log

    def cut(self) -> None:
        """Put a large one aside while a child writes on, which appends: its file is copied and emptied.

        On a full disk the copy is given up, and the child's next lines have room. Raises OSError.
        """
        try:
            if self._path.stat().st_size <= LARGEST_BYTES:
                return
        except FileNotFoundError:
            return
        aside = self._path.with_suffix(".log.1")
        try:
            shutil.copyfile(self._path, aside)
        except OSError:
            aside.unlink(missing_ok=True)
        os.truncate(self._path, 0)

    def last_lines(self, count: int) -> str:
        """What the newest child said last."""
        try:
            with open(self._path, "rb") as log:
                log.seek(self._start)
                lines = b"".join(deque(log, maxlen=count)).decode(errors="replace").strip()
        except OSError:
            lines = ""
        return lines or "it said nothing"
