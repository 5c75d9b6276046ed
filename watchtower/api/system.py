"""`/api/system/reload-oracle`: this machine's inference hosts load the active model anew."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from guild.champion import crown
from realm import config
from realm.oracle.errors import HostTrouble
from vault.errors import NotFound
from vault.selectors import newest_checkpoint
from vault.treasury import champion

router = Router()


class Reloaded(Schema):
    success: bool
    model: str
    loaded_by: list[str]
    message: str


@router.post("/reload-oracle", response=Reloaded)
def reload_oracle(request: HttpRequest) -> Any:
    """The champion, or the newest checkpoint while there is none. 424 where no host of this machine takes it."""
    world, hero = settings.WORLD, settings.REALM.hero
    settings_now = config.load(world)
    found = crown.quick_champion(world, hero, settings_now.champion_metric) or newest_checkpoint(world, hero)
    if found is None:
        raise NotFound(f"{hero} has no checkpoint yet: the oracle answers for the base model alone")
    loaded_by, told = champion.load_here(world, settings_now, hero, found.name)
    message = ". ".join(told) or "there is no inference host on this machine"
    if not loaded_by:
        raise HostTrouble(message)
    return {"success": True, "model": found.name, "loaded_by": list(loaded_by), "message": f"{message}."}
