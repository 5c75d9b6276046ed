"""A disk in trouble is lived through: told, given the room that is held ready for it, and tidied up behind."""

from __future__ import annotations

import errno
import logging
import time
from collections.abc import Callable

from django.db import OperationalError

from arena import disk_errors
from arena.daemon import recovery
from arena.daemon.chronicle_outbox import Outbox
from arena.models import Battle
from realm import placed_folders
from realm.disk import ballast
from realm.disk.ballast import Ballast
from realm.world import World

log = logging.getLogger(__name__)

CHECK_SECONDS = 10.0
"""Between two looks at whether folders that lie elsewhere are there: on slow storage each takes a while."""


class DiskCare:
    def __init__(self, world: World, outbox: Outbox, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._world = world
        self._clock = clock
        self._checked_at = clock()
        self._outbox = outbox
        self._ballast = Ballast(world.status / ballast.FILE)
        self._mend: Callable[[World], None] | None = recovery.bring_into_line
        """What is to be done first, because somebody was killed or an error cut something short."""
        self.trouble = ""
        """Why the disk cannot be written to, in one sentence; empty while it can."""

    def guard(self, work: Callable[[], bool]) -> bool:
        """Whether `work` did anything. An error of the disk that may pass is told; whatever else is wrong is raised."""
        try:
            worked = work()
        except disk_errors.TROUBLES as error:
            if not disk_errors.passes(error):
                raise
            self._meet(error)
            return self._ballast.drop()  # then there is room to try again at once
        if self.trouble:
            log.info("the disk works again")
            self._outbox.add("disk_recovered", "The arena can write again and goes on")
            self.trouble = ""
        return worked

    def check_placed(self) -> None:
        """Raises an OSError that passes where a folder of the world that lies elsewhere is no longer there."""
        if self.trouble or self._clock() - self._checked_at >= CHECK_SECONDS:
            self._checked_at = self._clock()
            if sentence := placed_folders.gone(self._world):
                raise OSError(errno.EIO, sentence)

    def _meet(self, error: OSError | OperationalError) -> None:
        disk_errors.mend_connection()
        self._mend = self._mend or recovery.finish_half_done
        trouble = disk_errors.describe(self._world, error)
        if not self.trouble:
            log.error(trouble)
            self._outbox.add("disk_trouble", trouble)
        self.trouble = trouble

    def put_right(self, running: Battle | None) -> None:
        """Finish what the last daemon, or an error, left half-done."""
        if self._mend is None:
            return
        if running:
            running.refresh_from_db()  # in memory it may be ahead of what was committed
        self._mend(self._world)
        self._mend = None

    def mind_ballast(self, *, trainer_waits: bool) -> None:
        """Give the room back while anybody lacks it, else hold it."""
        if self.trouble or trainer_waits:
            self._ballast.drop()
        else:
            self._ballast.hold()
