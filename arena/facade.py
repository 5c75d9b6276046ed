"""The arena for a script or a notebook: see realm.facade."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from arena import jobs, orders, selectors, steps
from arena import status as arena_status
from arena.jobs import Job
from arena.models import Battle
from arena.orders import Wish
from arena.progress import Follower, Following, Progress
from arena.status import ArenaStatus
from arena.steps import Records
from realm.place import BY, Place


class Arena(Place):
    @property
    def status(self) -> ArenaStatus:
        """What the daemon said last, and whether it lives."""
        return arena_status.read_status(self.world)

    def in_words(self) -> str:
        status = self.status
        return f"{status.state}, {status.quest}" if status.quest else status.state

    def pause(self) -> None:
        """Ask for a pause, exactly where the battle is; it comes within a second."""
        self._order(Wish.PAUSE)

    def resume(self) -> None:
        self._order(Wish.RESUME)

    def stop(self) -> None:
        """Save, end the battle and rest."""
        self._order(Wish.STOP)

    def skip(self) -> None:
        """Save, end the battle and go on with the next quest."""
        self._order(Wish.SKIP)

    def _order(self, wish: Wish) -> None:
        orders.send(self.world, wish=wish, by=BY)

    def quests(self, *, state: str | None = None, text: str = "", limit: int = 50) -> list[Job]:
        """The newest first: those of a state (waiting, running, paused, completed, failed, cancelled), or all."""
        return jobs.jobs(self.world, state=state, text=text, limit=limit).items

    def quest(self, job_id: str) -> Job:
        """By the id that `add_quest` gave, a quest's number or a battle's id. Raises NoSuchJob."""
        return jobs.get(self.world, job_id)

    def add_quest(
        self,
        rows: str | Iterable[Mapping[str, Any]] | None = None,
        *,
        file: str | Path | None = None,
        source: str | None = None,
        name: str = "",
        priority: str = "normal",
        recipe: Mapping[str, Any] | None = None,
    ) -> Job:
        """Ask for training on rows, a file or a file of a registered folder. Raises ValueError with what is wrong."""
        given = None if file is None else Path(file).expanduser().absolute()
        return jobs.start(
            self.world,
            self._config,
            rows=rows,
            file=given,
            source=source,
            name=name,
            priority=priority,
            recipe=recipe,
            by=BY,
        )

    def cancel(self, job_id: str) -> Job:
        """A quest that waits is cancelled, one that is fought is saved and ended."""
        return jobs.stop(self.world, job_id, by=BY)

    def battles(self, *, limit: int = 20) -> list[Battle]:
        """The newest first."""
        return list(Battle.objects.select_related("quest").order_by("-id")[:limit])

    def steps(self, battle_id: str | None = None) -> Records:
        """A battle's steps, None: of the newest: a NumPy array of records with step, loss, learning_rate and others,
        of which `pandas.DataFrame` makes a table. Empty where nothing was fought.
        """
        if battle_id is None:
            newest = selectors.latest_battle()
            battle_id = newest.battle_id if newest else ""
        path = steps.path_of(self.world, battle_id)
        return steps.read(path, 0, steps.count(path))

    def on_progress(self, fn: Callable[[Progress], object], every: int = 100) -> Following:
        """Call `fn` in a thread whenever the hero has taken `every` more steps, battle after battle, from now on.

        `stop()` of what is returned ends it, `join()` waits for that. Raises ValueError for `every` below 1.
        """
        return Following(Follower(self.world, every), fn)

    def progress(self, every: int = 100) -> Iterator[Progress]:
        """The same for a loop: it waits for each, until the loop is left. Raises ValueError for `every` below 1."""
        return Follower(self.world, every).follow()
