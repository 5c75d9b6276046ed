"""`/api/simulation`: the forge makes quests of any skill and levels."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from guild.models import Run
from guild.work import forging
from vault.api.asking import Liberal, by
from watchtower.api import guild_runs
from watchtower.api.run_answers import GuildRun

router = Router()


class Forge(Liberal):
    other_names: ClassVar = {"rows": "count", "num_samples": "count", "num_games": "count", "games": "count"}

    skill: str
    level: int | None = None
    levels: Annotated[list[int], Field(max_length=200)] = []
    """In equal shares; with neither `level` nor `levels` the first."""
    count: int = 1000
    """Rows."""
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None
    """None: one is drawn."""
    name: Annotated[str | None, Field(max_length=120)] = None
    """Of the quest; None: what it holds."""


@router.post("/start", response=GuildRun)
def start(request: HttpRequest, body: Forge) -> Any:
    """Ask for a forge; its file goes into the inbox when it is whole."""
    levels = body.levels or [1 if body.level is None else body.level]
    order = forging.order(skill=body.skill, levels=levels, count=body.count, seed=body.seed, name=body.name)
    return guild_runs.asked(settings.WORLD, forging.create(order, by=by(request)))


guild_runs.add_common(router, Run.Kind.FORGE)
