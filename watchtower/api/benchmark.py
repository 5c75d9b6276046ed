"""`/api/benchmark`: trials, checkpoints side by side on the same problems."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from guild.models import Run
from guild.skills.registry import read_skills
from guild.work import trials
from vault.api.asking import Liberal, by
from watchtower.api import guild_runs
from watchtower.api.run_answers import GuildRun

router = Router()


class Trial(Liberal):
    other_names: ClassVar = {"models": "checkpoints", "model_ids": "checkpoints", "num_games": "problems"}

    checkpoints: Annotated[list[str], Field(max_length=100)] = ["newest", "best"]
    """Names, steps, or newest, best, all, base."""
    skills: Annotated[list[str], Field(max_length=100)] = []
    """None named: all."""
    levels: Annotated[list[int], Field(max_length=200)] = []
    """None named: all."""
    problems: int | None = None
    """Fresh ones of each level; None: the evaluation sets, which are never trained on."""
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    host: Annotated[str | None, Field(max_length=80)] = None
    """Who answers; None: the default inference host."""


@router.post("/start", response=GuildRun)
def start(request: HttpRequest, body: Trial | None = None) -> Any:
    """Ask for a trial; nothing is trained by it."""
    asked = body or Trial()
    order = trials.order(
        world=settings.WORLD,
        hero=settings.REALM.hero,
        checkpoints=asked.checkpoints,
        skills=asked.skills or [skill.name for skill in read_skills()],
        levels=asked.levels or None,
        problems=asked.problems,
        seed=asked.seed,
        host=asked.host,
    )
    return guild_runs.asked(settings.WORLD, trials.create(order, by=by(request)))


guild_runs.add_common(router, Run.Kind.TRIAL)
