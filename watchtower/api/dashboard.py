"""`/api/dashboard`: the hero and the realm at a glance, and what happened lately."""

from __future__ import annotations

import shutil
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count
from django.http import HttpRequest
from ninja import Router, Schema

from arena import selectors
from arena import status as arena_status
from arena.models import Battle, ChronicleEntry, Quest
from guild.champion import crown
from guild.models import Evaluation, Run
from guild.selectors import skill_levels
from realm import config
from vault.api import pages
from vault.api.pages import USUAL, Limit, Offset
from vault.models import Checkpoint
from watchtower import telling
from watchtower.hero import HeroCard, hero_card

router = Router()


class ArenaNow(Schema):
    alive: bool
    state: str
    message: str


class ActiveModel(Schema):
    """The champion."""

    id: str
    step: int
    metric: str
    why: str


class SkillNow(Schema):
    name: str
    level: int
    levels: int
    accuracy: float | None


class Stats(Schema):
    hero: HeroCard
    arena: ArenaNow
    active_model: ActiveModel | None
    total_models: int
    total_steps: int
    latest_loss: float | None
    quests: dict[str, int]
    """By state."""
    training: dict[str, int]
    """Battles by state."""
    simulation: dict[str, int]
    benchmark: dict[str, int]
    sparring: dict[str, int]
    evaluations: int
    skills: list[SkillNow]
    disk_free_bytes: int


class Activity(Schema):
    seq: int
    type: str
    """Kind of the chronicle's entry."""
    time: datetime
    step: int
    message: str
    source: str
    """A battle, or who said it."""
    data: dict[str, Any]
    topic: str
    group: str
    """Entries with the same one are shown as one; empty: it stands alone."""
    brief: str
    hint: str
    """Figures behind it."""


ActivityPage = pages.page_of(Activity, "activity")


@router.get("/stats", response=Stats)
def stats(request: HttpRequest) -> Any:
    """Totals, the active model, and how the hero stands."""
    world, hero = settings.WORLD, settings.REALM.hero
    told, battle = arena_status.read_status(world), selectors.latest_battle()
    step = selectors.last_step(world, battle) if battle else None
    card = hero_card(world, hero)
    champion = crown.quick_champion(world, hero, config.load(world).champion_metric)
    return {
        "hero": card,
        "arena": {"alive": told.alive, "state": told.state, "message": told.message},
        "active_model": champion
        and {"id": champion.name, "step": champion.step, "metric": champion.metric, "why": champion.why},
        "total_models": Checkpoint.objects.filter(hero=hero).count(),
        "total_steps": card.xp,
        "latest_loss": step.loss if step else None,
        "quests": _by_state(Quest),
        "training": _by_state(Battle),
        "simulation": _by_state(Run, kind=Run.Kind.FORGE),
        "benchmark": _by_state(Run, kind=Run.Kind.TRIAL),
        "sparring": _by_state(Run, kind=Run.Kind.SPARRING),
        "evaluations": Evaluation.objects.filter(hero=hero).count(),
        "skills": [
            {"name": one.skill.name, "level": one.level, "levels": one.skill.max_level, "accuracy": one.accuracy}
            for one in skill_levels(hero)
        ],
        "disk_free_bytes": shutil.disk_usage(world.home).free,
    }


def _by_state(rows: type[Quest] | type[Battle] | type[Run], **only: Any) -> dict[str, int]:
    found = rows.objects.filter(**only).order_by().values_list("state").annotate(Count("pk"))
    return dict.fromkeys(rows.State.values, 0) | dict(found)


@router.get("/recent-activity", response=ActivityPage)
def recent_activity(
    request: HttpRequest,
    type: str = "",
    source: str = "",
    topic: str = "",
    q: str = "",
    limit: Limit = USUAL,
    offset: Offset = 0,
) -> Any:
    """The chronicle, newest first; of one kind, one topic or one battle, or with these words.

    Topics are `battles`, `checkpoints`, `quests`, `trouble` and `realm`.
    """
    entries = telling.find(topic=topic, search=q, kind=type)
    entries = entries.filter(source=source) if source else entries
    return pages.cut(entries, limit=limit, offset=offset, key="activity", told=_told)


def _told(entry: ChronicleEntry) -> dict[str, Any]:
    return {
        "seq": entry.pk,
        "type": entry.kind,
        "time": entry.time,
        "step": entry.step,
        "message": entry.message,
        "source": entry.source,
        "data": entry.data,
        **telling.told(entry),
    }
