"""Names of what can be trained on: the hero, and the checkpoint that it goes on from."""

from __future__ import annotations

from realm.checkpoints import branches
from realm.config import RealmConfig
from realm.world import World
from watchtower.openai_api.errors import ApiError


def name_of(hero: str, checkpoint: str) -> str:
    """As `/v1/chat/completions` of the oracle takes it."""
    return f"{hero}/{checkpoint}"


def check(world: World, config: RealmConfig, model: str) -> None:
    """Raises ApiError for what a battle would not go on from, with what there is."""
    hero_folder = world.heroes / config.hero
    tip = branches.tip(hero_folder) if hero_folder.is_dir() else None
    known = [config.hero, *([tip, name_of(config.hero, tip)] if tip else [f"{config.hero}/base"])]
    if model in known:
        return
    name = model.removeprefix(f"{config.hero}/")
    if tip and "/" not in name and (hero_folder / name).is_dir():
        words = (
            f"model: {config.hero} goes on from its newest checkpoint, {tip}, and not from {name}; "
            f"`manage.py ledger go-on-from {name}` or its page makes it go on from there"
        )
        raise ApiError(words, param="model", code="model_not_available")
    words = f"model: there is no {model[:80]!r} to train; there are {', '.join(known)}"
    raise ApiError(words, param="model", code="model_not_found")
