"""The weaver for a script or a notebook: see realm.facade."""

from __future__ import annotations

from realm.place import Place
from realm.weaver import verbs
from realm.weaver.supervisord import ServiceState


class Weaver(Place):
    @property
    def services(self) -> dict[str, ServiceState]:
        """By name. Raises WeaverError."""
        return {state.name: state for state in verbs.status(self.world, self._config)}

    def in_words(self) -> str:
        return ", ".join(f"{state.name} {state.state.lower()}" for state in self.services.values())
