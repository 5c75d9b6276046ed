"""The guild for a script or a notebook: see realm.facade. Work is begun by the Task Master, as after a page's form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guild.champion import crown
from guild.champion.crown import Champion
from guild.models import Run
from guild.selectors import SkillLevel, skill_levels
from guild.skills.registry import read_skills
from guild.work import forging, runs, sparring, trials
from realm.place import BY, Place


class Guild(Place):
    def in_words(self) -> str:
        return ", ".join(f"{name} level {level.level}" for name, level in self.levels.items()) or "no skills"

    @property
    def skills(self) -> list[str]:
        return [skill.name for skill in read_skills()]

    @property
    def levels(self) -> dict[str, SkillLevel]:
        """By skill: the level that the hero works on, its newest accuracy, what it won and lost."""
        return {each.skill.name: each for each in skill_levels(self._config.hero)}

    @property
    def champion(self) -> Champion | None:
        """None while there is no checkpoint."""
        return crown.champion(self.world, self._config.hero, self._config.champion_metric)

    def forge(self, skill: str, *, levels: Sequence[int], count: int, **options: Any) -> Run:
        """Ask for a quest of `count` problems; `options` as of guild.work.forging.order. Raises GuildError."""
        return forging.create(forging.order(skill=skill, levels=levels, count=count, **options), by=BY)

    def spar(self, skill: str, *, count: int, **options: Any) -> Run:
        """Ask for a quest of the hero's mistakes; `options` as of guild.work.sparring.order. Raises GuildError."""
        order = sparring.order(world=self.world, hero=self._config.hero, skill=skill, count=count, **options)
        return sparring.create(order, by=BY)

    def trial(self, checkpoints: Sequence[str], skills: Sequence[str], **options: Any) -> Run:
        """Ask for checkpoints side by side; `options` as of guild.work.trials.order. Raises GuildError."""
        order = trials.order(
            world=self.world, hero=self._config.hero, checkpoints=checkpoints, skills=skills, **options
        )
        return trials.create(order, by=BY)

    def runs(self, *, limit: int = 20) -> list[Run]:
        """Forgings, trials and sparrings, the newest first."""
        return list(runs.history()[:limit])

    def run(self, number: int) -> Run:
        """As it stands now. Raises GuildError."""
        return runs.get(number)

    def stop(self, number: int) -> Run:
        """Raises GuildError for a run that is over."""
        return runs.stop(number)
