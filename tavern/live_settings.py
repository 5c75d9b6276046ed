"""The settings as they stand in the files now: pages that change them must not show those of the server's start."""

from __future__ import annotations

from django.conf import settings

from guild.curriculum.plan import AS_SHIPPED, Curriculum, read_curriculum
from realm import config
from realm.config import RealmConfig
from realm.strict import BadConfig
from realm.world import World


def read_settings(world: World) -> tuple[RealmConfig, str]:
    """And what is wrong with them; then they are those that the server began with."""
    try:
        return config.load(world), ""
    except BadConfig as error:
        return settings.REALM, f"The settings cannot be read, the old ones stay in force: {error}"


def read_wishes(world: World) -> tuple[Curriculum, str]:
    found, trouble = read_settings(world)
    try:
        return read_curriculum(found), trouble
    except BadConfig as error:
        return AS_SHIPPED, str(error)
