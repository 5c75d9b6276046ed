"""The heartbeat of a daemon whose look at slow storage takes long: it lives, and says what it waits for.

Only where a folder of the world lies elsewhere, and for so long only: a loop that is stuck on a local disk goes silent.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from arena.daemon.status import HEARTBEAT_SECONDS, StatusFile
from realm import placed_folders
from realm.processes import notify
from realm.world import World

LONGEST_LOOK_SECONDS = 600.0
"""A look that takes longer is taken for one that is stuck."""


class SlowLooks:
    """Beats on a thread of its own while the loop does not; a context around the loop."""

    def __init__(self, world: World, status: StatusFile, *, clock: Callable[[], float] = time.monotonic) -> None:
        folders = [placed_folders.folder_of(world, name) for name in placed_folders.NAMES]
        self._elsewhere = [folder.name for folder in folders if folder.is_symlink()]  # none moves while a daemon lives
        self._status, self._clock = status, clock
        self._beaten_at = clock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        if not self._elsewhere:  # nothing to do, and no reason to wake for it
            return self
        self._over.clear()
        self._beaten_at = self._clock()
        self._thread = threading.Thread(target=self._run, name="slow-looks", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def beaten(self) -> None:
        """The loop itself has told how it stands."""
        self._beaten_at = self._clock()

    def beat(self) -> bool:
        """In its place, where it is late because of a folder that lies elsewhere; whether that was so."""
        late = self._clock() - self._beaten_at
        if not self._elsewhere or not 2 * HEARTBEAT_SECONDS <= late < LONGEST_LOOK_SECONDS:
            return False
        notify.beat()
        names = " and ".join(self._elsewhere)
        self._status.keep(f"The arena waits for slow storage ({names}) since {late:.0f} s; training goes on meanwhile")
        return True

    def _run(self) -> None:
        while not self._over.wait(HEARTBEAT_SECONDS):
            self.beat()
