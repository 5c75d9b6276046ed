"""`/api/presets`: the recipes that a quest may be trained by, as `preset` of POST `/api/training/start` names them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema

from arena import presets
from realm import config
from realm.yaml_files import read_yaml

router = Router()


class PresetTold(Schema):
    name: str
    about: str
    shipped: bool
    """False for one of this world."""
    in_force: bool
    keys: dict[str, Any]


class Presets(Schema):
    count: int
    presets: list[PresetTold]
    own_keys: dict[str, Any]
    """Keys under `training` of the settings, which win over every preset."""


@router.get("/presets", response=Presets)
def listed(request: HttpRequest) -> Any:
    """Every preset with its keys, and which one is in force."""
    world = settings.WORLD
    in_force = config.load(world).preset
    found = [
        {
            "name": preset.name, "about": preset.about, "shipped": preset.shipped, "in_force": preset.name == in_force,
            "keys": read_yaml(preset.path) or {},
        }
        for preset in presets.list_presets(world)
    ]  # fmt: skip
    return {"count": len(found), "presets": found, "own_keys": config.own_training(world)}
