"""`/api/sparring`: the hero answers fresh problems, and its mistakes become a quest of high priority."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router
from pydantic import Field

from guild.models import Run
from guild.work import sparring
from vault.api.asking import Liberal, by
from watchtower.api import guild_runs
from watchtower.api.run_answers import GuildRun

router = Router()


class Spar(Liberal):
    skill: str
    count: int = 100
    """Problems."""
    level: int | None = None
    """None: the one that the hero works on."""
    checkpoint: Annotated[str, Field(max_length=200)] = "newest"
    host: Annotated[str | None, Field(max_length=80)] = None
    seed: Annotated[int | None, Field(ge=0, lt=2**63)] = None


@router.post("/start", response=GuildRun)
def start(request: HttpRequest, body: Spar) -> Any:
    """Ask for a sparring."""
    order = sparring.order(
        world=settings.WORLD,
        hero=settings.REALM.hero,
        skill=body.skill,
        count=body.count,
        level=body.level,
        checkpoint=body.checkpoint,
        host=body.host,
        seed=body.seed,
        quote=settings.REALM.sparring_quotes_mistakes,
    )
    return guild_runs.asked(settings.WORLD, sparring.create(order, by=by(request)))


guild_runs.add_common(router, Run.Kind.SPARRING)
