"""`/api/settings`: every setting with its help, and changes of single ones, guarded as on the page."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from arena.calculator import reckoning
from realm import config
from realm.config_edit import ABSENT
from realm.management.as_json import plain
from vault.api.asking import Liberal
from watchtower.armory import backups, catalogue, changing
from watchtower.armory.backups import Backup
from watchtower.armory.catalogue import Setting
from watchtower.armory.changing import Changed

router = Router()


class Settings(Schema):
    count: int
    settings: list[Setting]


class NewValue(Liberal):
    value: Any
    confirm: bool = False
    """Of a critical change: that its consequences are wanted."""


class Sure(Liberal):
    confirm: bool = False


class Backups(Schema):
    count: int
    backups: list[Backup]


class Restored(Schema):
    restored: str
    backup: str
    """Name of the copy of what stood there before."""


@router.get("", response=Settings)
def listed(request: HttpRequest, changed: bool = False) -> Any:
    """Every setting, as it would be read now; with `changed`, those that this world says itself."""
    found = [one for one in catalogue.read_all(settings.WORLD) if one.is_changed or not changed]
    return {"count": len(found), "settings": found}


@router.get("/backups", response=Backups)
def copies(request: HttpRequest) -> Any:
    """Copies of the world's settings file, the newest first."""
    found = backups.list_all(settings.WORLD)
    return {"count": len(found), "backups": found}


@router.post("/backups/{name}/restore", response=Restored)
def restore(request: HttpRequest, name: str, body: Sure) -> Any:
    """Put a copy back in the file's place."""
    return {"restored": name, "backup": changing.restore(settings.WORLD, name, confirmed=body.confirm)}


@router.get("/calculator", response=dict[str, Any])
def calculator(request: HttpRequest) -> Any:
    """Memory by component and seconds of a battle, here and on common cards; what is not asked is as in the recipe."""
    return plain(reckoning.reckon(settings.WORLD, config.load(settings.WORLD), reckoning.asked(request.GET)))


@router.get("/{key}", response=Setting)
def one(request: HttpRequest, key: str) -> Any:
    """One setting: its value, where that comes from, and what may stand there."""
    return catalogue.find(catalogue.read_all(settings.WORLD), key)


@router.post("/{key}", response=Changed)
def put(request: HttpRequest, key: str, body: NewValue) -> Any:
    """Write it into the world's `config.yaml`; a critical one wants `confirm`."""
    return changing.put(settings.WORLD, key, body.value, confirmed=body.confirm)


@router.delete("/{key}", response=Changed)
def reset(request: HttpRequest, key: str, confirm: bool = False) -> Any:
    """Take it out of the world's `config.yaml`."""
    return changing.put(settings.WORLD, key, ABSENT, confirmed=confirm)
