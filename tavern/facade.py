"""The tavern for a script or a notebook: see realm.facade."""

from __future__ import annotations

from realm.place import Place
from realm.weaver import verbs


class Tavern(Place):
    @property
    def address(self) -> str:
        """Of its first page."""
        return verbs.address(self._config)

    def in_words(self) -> str:
        return self.address
