"""The sentinels for a script or a notebook: see realm.facade."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from realm.config import RealmConfig
from realm.place import Place
from realm.world import World
from sentinels.inspector.finding import Finding
from sentinels.inspector.patrol import patrol


@dataclass(frozen=True)
class Patrol:
    findings: tuple[Finding, ...]

    @property
    def is_all_clear(self) -> bool:
        """Whether nothing is in trouble; a warning is none."""
        return not self.troubles

    @property
    def troubles(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "trouble")

    @property
    def warnings(self) -> tuple[Finding, ...]:
        return tuple(finding for finding in self.findings if finding.verdict == "warning")

    def __str__(self) -> str:
        return "\n".join(map(str, self.findings))

    def __repr__(self) -> str:
        return f"<Patrol: {len(self.findings)} looked at, {len(self.troubles)} in trouble>"


class Inspector:
    def __init__(self, world: World, config: RealmConfig) -> None:
        self._world, self._config = world, config

    def full_patrol(self, *, deep: bool = False) -> Patrol:
        """A look at everything, which takes some seconds where somebody is silent; `deep` reads every byte."""
        return Patrol(tuple(patrol(self._world, self._config, deep=deep)))


class Sentinels(Place):
    @cached_property
    def inspector(self) -> Inspector:
        return Inspector(self.world, self._config)

    def in_words(self) -> str:
        return "inspector.full_patrol() looks at everything"
