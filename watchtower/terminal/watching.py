"""The messages of the battle of now, or of a past one, made in this process from the same view as the page's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from realm.world import World
from watchtower import selectors, snapshot, view
from watchtower.view import View


class Watching:
    """One who looks; each look costs some file reads and, where something was told, a question to the database."""

    def __init__(self, world: World, hero: str, battle: str | None = None) -> None:
        """`battle` is the id of a past one; None: whatever is fought now."""
        self._world, self._hero, self._battle = world, hero, battle
        self._seen: View | None = None

    def messages(self) -> Iterator[dict[str, Any]]:
        """What is new since the last call: at first, and whenever another scene begins, a snapshot.

        Raises view.NoSuchBattle.
        """
        before = self._seen
        if self._battle is not None:
            self._seen = view.look_at(self._world, self._hero, self._battle)
            if before is None or self._seen.tells_more_than(before):
                events = selectors.events_of(self._battle)
                yield snapshot.snapshot_of(self._world, self._seen) | {"events": events}
        elif before is None:
            self._seen = view.first_look(self._world, self._hero)
            yield snapshot.snapshot_of(self._world, self._seen)
        else:
            self._seen = view.look_again(self._world, self._hero, before, ask_database=True)
            yield from self._since(before, self._seen)

    def _since(self, before: View, seen: View) -> Iterator[dict[str, Any]]:
        fresh = seen.count - before.count
        if seen.scene != before.scene or fresh > len(seen.tail):
            yield snapshot.snapshot_of(self._world, seen)
            return
        yield from seen.events
        yield snapshot.tick_of(seen) | {"points": snapshot.points_part(seen.tail[len(seen.tail) - fresh :])}
