"""`/api/achievements`: what the hero has reached with its proof, and how far the others are."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from realm.world import World
from tavern.achievements.counted import standings
from watchtower.achievements.evaluation import Standing, nearest
from watchtower.achievements.record import Proof, seq_of

router = Router()


class Achieved(Schema):
    unlocked_at: float
    """In seconds since 1970."""
    run: str
    value: float
    seq: int | None
    """Of the chronicle's entry that proves it; null where it is none, or is no longer kept."""
    proof: Proof


class AchievementOfHero(Schema):
    key: str
    title: str
    requirement: str
    """Empty for a secret one that is not reached."""
    goal: float
    unit: str
    value: float
    share: float
    secret: bool
    unlocked: Achieved | None


class Achievements(Schema):
    hero: str
    unlocked: int
    total: int
    nearest: list[str]
    """Keys of the locked ones that lack least."""
    achievements: list[AchievementOfHero]


@router.get("", response=Achievements)
def achievements(request: HttpRequest) -> Any:
    """All achievements of the active hero."""
    return told(settings.WORLD, settings.REALM.hero)


def told(world: World, hero: str) -> dict[str, Any]:
    """As JSON. Raises DatabaseError."""
    found = standings(world, hero)
    return {
        "hero": hero,
        "unlocked": sum(one.unlocked is not None for one in found),
        "total": len(found),
        "nearest": [one.rule.key for one in nearest(found)],
        "achievements": [_told(one) for one in found],
    }


def _told(one: Standing) -> dict[str, Any]:
    rule, unlocked = one.rule, one.unlocked
    hidden = rule.secret and unlocked is None
    return {
        "key": rule.key,
        "title": "" if hidden else rule.title,
        "requirement": "" if hidden else rule.requirement,
        "goal": rule.goal,
        "unit": rule.unit,
        "value": one.value,
        "share": one.share,
        "secret": rule.secret,
        "unlocked": unlocked
        and {
            "unlocked_at": unlocked.unlocked_at,
            "run": unlocked.run,
            "value": unlocked.value,
            "seq": seq_of(unlocked.proof),
            "proof": unlocked.proof,
        },
    }
