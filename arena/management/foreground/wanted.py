"""What a training in the foreground is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError

from arena import jobs
from arena.profiles.quest_recipe import UnconfirmedRate
from arena.queue.names import BadName
from guild.errors import GuildError
from guild.evaluation.progression import current_level
from guild.skills.registry import get_skill
from guild.work import forging, perform, runs
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World

BY = "command line"


@dataclass(frozen=True, kw_only=True)
class Wanted:
    steps: int | None = None
    seconds: float | None = None
    file: Path | None = None
    skill: str | None = None
    level: int | None = None
    save_every: int | None = None
    resume: bool = False

    @property
    def is_bounded(self) -> bool:
        """By steps or time; else it ends with the quests."""
        return self.steps is not None or self.seconds is not None

    def begin(self, world: World, config: RealmConfig, *, recipe: dict[str, Any] | None = None) -> str | None:
        """Put the quest that is asked for into the queue; its job's id. Raises CommandError."""
        if self.skill:
            self._forge(world, config)
        if self.file is None:
            return None
        try:
            return jobs.start(world, config, file=self.file, recipe=recipe, by=BY).id
        except (BadConfig, BadName, UnconfirmedRate, OSError, ValueError) as error:
            raise CommandError(str(error)) from error

    def _forge(self, world: World, config: RealmConfig) -> None:
        try:
            skill = get_skill(self.skill or "")
            level = current_level(hero=config.hero, skill=skill) if self.level is None else self.level
            order = forging.order(skill=skill.name, levels=[level], count=skill.quest_rows)
            run = perform.perform(world, forging.create(order, by=BY).pk)
        except GuildError as error:
            raise CommandError(str(error)) from error
        if run.state != runs.State.COMPLETED:
            raise CommandError(f"no quest of {skill.name} was forged: {run.message}")
