"""What supervisord has written since: which services ended by themselves, and which it gave up."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from realm.world import World

_MOST_BYTES = 256 * 1024
_EXITED = re.compile(rb"exited: ([^ ]{1,80}) \(([^)]{1,200})\)")
_GAVE_UP = re.compile(rb"gave up: ([^ ]{1,80}) entered FATAL state")


@dataclass(frozen=True)
class Ended:
    service: str
    how: str
    gave_up: bool = False

    @property
    def by_itself(self) -> bool:
        """Rather than by a signal."""
        return not self.how.startswith("terminated by")


class WeaverLog:
    def __init__(self, world: World) -> None:
        self._path: Path = world.logs / "weaver" / "weaver.log"
        self._offset = self._size()

    def news(self) -> Iterator[Ended]:
        """In whole lines; those that were cut away by a rotation are lost."""
        size = self._size()
        self._offset = 0 if size < self._offset else self._offset
        if size == self._offset:
            return
        try:
            with open(self._path, "rb") as log:
                log.seek(max(self._offset, size - _MOST_BYTES))
                start = log.tell()
                written = log.read(size - start)
        except OSError:
            return
        whole = written[: written.rfind(b"\n") + 1]
        self._offset = start + len(whole)
        for line in whole.splitlines():
            if exited := _EXITED.search(line):
                yield Ended(exited[1].decode(errors="replace"), exited[2].decode(errors="replace"))
            elif gave_up := _GAVE_UP.search(line):
                yield Ended(gave_up[1].decode(errors="replace"), "", gave_up=True)

    def _size(self) -> int:
        try:
            return os.stat(self._path).st_size
        except OSError:
            return 0
