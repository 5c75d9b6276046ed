"""`/api/treasury`: which checkpoints make room by the rules, before and after."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from realm import config
from vault.api.asking import by
from vault.ledger import get_ledger
from vault.treasury import safety, shelf
from vault.treasury.shelf import Applied, Shelf

router = Router()


@router.get("", response=Shelf)
def plan(request: HttpRequest, hero: str | None = None) -> Any:
    """What the rules would do now with each checkpoint, and why; nothing is changed."""
    world, settings_now = settings.WORLD, config.load(settings.WORLD)
    loaded = safety.loaded_by_hosts(world, settings_now)
    return shelf.plan(world, settings_now, get_ledger(hero).hero, loaded=loaded)


@router.post("/apply", response=Applied)
def apply(request: HttpRequest, hero: str | None = None) -> Any:
    """Do it; `/api/trash/{entry}/undo` brings back what went to the trash."""
    world, settings_now = settings.WORLD, config.load(settings.WORLD)
    loaded = safety.loaded_by_hosts(world, settings_now)
    return shelf.apply(world, settings_now, get_ledger(hero).hero, by=by(request), loaded=loaded)
