"""Auto-play: with nothing else to do the guild forges the next quest, which arrives like any other.

Forging asks trainers, and a remote one may take long; so it is done in a thread, while the last quest is still trained
on. What was forged is handed in by the daemon's own tick, and only while nothing of the player's waits.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from django.db import connections

from guild.curriculum import forge
from guild.curriculum import plan as curricula
from guild.curriculum.forge import Forged
from guild.curriculum.plan import Curriculum
from guild.errors import GuildError
from guild.evaluation.sets import ensure_evaluation_sets
from guild.evaluation.validation import ensure_validation, local_skills
from guild.skills.registry import read_skills
from realm.strict import BadConfig
from realm.world import World

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 10.0
"""After a forging that came to nothing."""

Work = Callable[[], None]


def in_thread(work: Work) -> None:
    """A thread that does not keep the process alive: what it writes is whole or absent."""

    def body() -> None:
        try:
            work()
        finally:
            connections.close_all()  # this thread's own

    threading.Thread(target=body, name="forge", daemon=True).start()


class Player:
    def __init__(
        self,
        world: World,
        hero: str,
        curriculum: Callable[[], Curriculum],
        wake: Work,
        *,
        clock: Callable[[], float] = time.monotonic,
        do: Callable[[Work], None] = in_thread,
    ) -> None:
        """`curriculum` reads the player's settings anew and may raise BadConfig; `wake` wakes the daemon."""
        self._world, self._hero, self._curriculum, self._wake = world, hero, curriculum, wake
        self._clock, self._do = clock, do
        self._sets = threading.Lock()
        """Held by who makes held-out sets, or forges, which makes those that are missing."""
        self._forging = self._preparing = self._doubted = False
        self._forged: Forged | None = None
        self._error: OSError | None = None
        self._not_before = 0.0
        self.trouble = ""
        """Why nothing can be forged, in one sentence."""

    @property
    def sets_ready(self) -> bool:
        """Whether the gatekeepers may look: until the held-out sets are there, nobody knows what may not be trained
        on. Those of remote trainers are not waited for.
        """
        return not self._preparing

    def prepare(self) -> None:
        """Make the held-out sets of a fresh world, or of skills that are new."""
        self._preparing = True
        self._do(self._make_sets)

    def _make_sets(self) -> None:
        try:
            with self._sets:
                for skill in local_skills():
                    ensure_evaluation_sets(self._world, skill)
                ensure_validation(self._world)
        except (GuildError, OSError, ValueError) as error:  # who needs a set meets the same and tells it
            log.error("held-out sets cannot be made: %s", error)
        finally:
            self._preparing = False
            self._wake()
        self._make_remote_sets()

    def _make_remote_sets(self) -> None:
        for skill in read_skills():
            try:
                with self._sets:
                    ensure_evaluation_sets(self._world, skill)
            except (GuildError, OSError, ValueError) as error:  # forging for it tries again
                log.warning("held-out sets of %s wait: %s", skill.name, error)

    def take_on(self, hero: str) -> None:
        """From now on quests are forged for this hero."""
        if hero != self._hero:
            self._hero, self._doubted = hero, True

    def doubt(self) -> None:
        """The hero's levels may have changed: what was forged ahead may be for yesterday's."""
        self._doubted = True

    def look(self, *, wanted: bool, free: bool) -> bool:
        """Forge ahead if a quest is `wanted`, and hand it in once the arena is `free` of everything else.

        Returns whether a quest was handed in. Raises the OSError that forging met.
        """
        if self._error:
            error, self._error = self._error, None
            raise error
        if not wanted or self._forging:
            return False
        if self._forged is None or ((self._doubted or free) and not self._is_timely(self._forged)):
            self._forged = None
            self._begin()
        if self._forged is None or not free:
            return False
        path = forge.deliver(self._world, self._forged)
        log.info("forged %s: %s", path.name, self._forged.plan.reason)
        self._forged = None
        return True

    def _is_timely(self, forged: Forged) -> bool:
        self._doubted = False
        try:
            return forged.plan in curricula.plans(self._world, self._hero, self._curriculum())
        except BadConfig:  # the old settings stay in force, as the daemon tells
            return True

    def _begin(self) -> None:
        if self._clock() >= self._not_before:
            self._forging = True
            self._do(self._forge)

    def _forge(self) -> None:
        try:
            with self._sets:
                self._forged = forge.prepare(self._world, self._hero, self._curriculum())
            self.trouble = ""
        except (GuildError, BadConfig) as error:
            self._give_up(str(error))
        except OSError as error:
            self._error = error
            self._give_up(f"forging failed: {error}")
        except Exception as error:  # a trainer's class is anybody's code
            log.exception("forging failed")
            self._give_up(f"forging failed: {type(error).__name__}: {error}")
        finally:
            self._forging = False
            self._wake()

    def _give_up(self, trouble: str) -> None:
        self.trouble = trouble
        self._not_before = self._clock() + TIMEOUT_SECONDS
