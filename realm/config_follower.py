"""Who fights, in processes that serve for long: the settings files are read again when they change.

Only what belongs to the hero is followed; all else is as the process began with it.
"""

from __future__ import annotations

from dataclasses import replace

from realm import config
from realm.config import RealmConfig, config_file
from realm.disk.stamps import stamp
from realm.strict import BadConfig
from realm.world import World

OF_HERO = ("hero", "base_model", "preset", "training")
"""Who fights, and by what: these change together."""


def with_hero_of(settings: RealmConfig, other: RealmConfig) -> RealmConfig:
    """These settings, with the other ones' hero."""
    return replace(settings, **{name: getattr(other, name) for name in OF_HERO})


class Follower:
    def __init__(self, world: World) -> None:
        self._world = world
        self._stamp = stamp(config_file(world))

    def follow(self, settings: RealmConfig) -> RealmConfig:
        """`settings` with the hero that the file names now; the same object while that changes nothing."""
        now = stamp(config_file(self._world))
        if now == self._stamp:
            return settings
        self._stamp = now
        try:
            followed = with_hero_of(settings, config.load(self._world))
        except BadConfig:
            return settings
        return settings if followed == settings else followed
