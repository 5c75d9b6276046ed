"""What the facades of all places have in common: see realm.facade."""

from __future__ import annotations

from realm.config import RealmConfig
from realm.world import World

BY = "notebook"
"""Who is said to have asked for what is asked by them."""


class Place:
    """What the facades of all places have in common."""

    def __init__(self, world: World, config: RealmConfig) -> None:
        self.world = world
        self._config = config

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.in_words()}>"

    def in_words(self) -> str:
        """How it stands, in a line."""
        return str(self.world.home)
