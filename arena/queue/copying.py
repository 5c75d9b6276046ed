"""Files that lie on another file system than the queue, such as an inbox on a file server, are copied, not renamed.

Beside the daemon's own work: a large file takes longer to copy than the daemon may be silent.
"""

from __future__ import annotations

import logging
import os
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from arena.gate import report as reports
from arena.profiles.quest_recipe import LARGEST_BYTES as MOST_RECIPE_BYTES
from arena.queue import files as queue
from realm.disk.regular_files import read_regular
from realm.world import World

log = logging.getLogger(__name__)


class Carrier:
    def __init__(self, world: World) -> None:
        self._world = world
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="carrier")
        self._carried: dict[Path, Future[None]] = {}

    def __contains__(self, path: Path) -> bool:
        return path in self._carried

    @property
    def busy(self) -> bool:
        return bool(self._carried)

    def carry(self, path: Path, priority: str) -> None:
        self._carried[path] = self._pool.submit(self._copy, path, priority)

    def take_ended(self) -> dict[Path, BaseException | None]:
        """Files that were carried since the last call, or why they could not be; those may be tried again."""
        ended = {path: future for path, future in self._carried.items() if future.done()}
        for path in ended:
            del self._carried[path]
        return {path: future.exception() for path, future in ended.items()}

    def _copy(self, path: Path, priority: str) -> None:
        """Killed in between, the file is in both places: the second is refused as a twin."""
        beside = reports.companion(path, reports.RECIPE)
        recipe = read_regular(beside, most_bytes=MOST_RECIPE_BYTES) if os.path.lexists(beside) else b""
        queue.add_file(self._world, path, priority=priority, recipe=recipe)
        beside.unlink(missing_ok=True)
        path.unlink()
