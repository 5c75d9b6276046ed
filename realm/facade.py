"""The realm for a script or a notebook: `from realm import Realm; r = Realm()`, then one attribute a place.

A place is loaded, and with it Django, when it is asked for. Each has a `facade` module, which calls what pages and
commands call; this one knows them by name only.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from realm.standalone import ensure_django
from realm.world import World

if TYPE_CHECKING:
    # For editors and type checkers; nobody below these places imports them when it runs.
    from arena.facade import Arena
    from guild.asking import Oracle
    from guild.facade import Guild
    from realm.config import RealmConfig
    from realm.weaver.facade import Weaver
    from sentinels.facade import Sentinels
    from tavern.facade import Tavern
    from vault.facade import Vault
    from watchtower.facade import Watchtower

_PLACES = {
    "arena": "arena.facade:Arena",
    "guild": "guild.facade:Guild",
    "oracle": "guild.asking:Oracle",
    "sentinels": "sentinels.facade:Sentinels",
    "tavern": "tavern.facade:Tavern",
    "vault": "vault.facade:Vault",
    "watchtower": "watchtower.facade:Watchtower",
    "weaver": "realm.weaver.facade:Weaver",
}
_WITHOUT_DATABASE = ("sentinels", "tavern", "weaver")
"""Of use where nothing runs yet, or the database does not answer."""
_ASYNC_UNSAFE = "DJANGO_ALLOW_ASYNC_UNSAFE"


class RealmNotReady(Exception):
    """One sentence for whoever typed it."""


class Realm:
    """One world. `home`: its folder; None is that of `REALM_HOME`, else `world/` in the checkout.

    Raises RealmNotReady where there is no such world, or Python has loaded another one already. A place that needs the
    database raises it where that is not ready.
    """

    arena: Arena
    guild: Guild
    oracle: Oracle
    sentinels: Sentinels
    tavern: Tavern
    vault: Vault
    watchtower: Watchtower
    weaver: Weaver

    def __init__(self, home: str | os.PathLike[str] | None = None) -> None:
        if home is not None:
            self.world = World(Path(home).expanduser().resolve())
        else:
            self.world = _loaded_world() or World.from_environment()
        if not self.world.database.exists() and "REALM_DATABASE_URL" not in os.environ:
            raise RealmNotReady(
                f"there is no world in {self.world.home} yet: scripts/start_all.sh makes one; REALM_HOME names another"
            )

    @property
    def config(self) -> RealmConfig:
        """The settings as they were when Python loaded this world."""
        _load(self.world)
        from django.conf import settings

        config: RealmConfig = settings.REALM
        return config

    def __getattr__(self, name: str) -> Any:
        if name not in _PLACES:
            raise AttributeError(f"Realm has no {name!r}; it has {', '.join(_PLACES)}, world and config")
        _load(self.world)
        if name not in _WITHOUT_DATABASE:
            _require_database()
        module, _, kind = _PLACES[name].partition(":")
        place = getattr(import_module(module), kind)(self.world, self.config)
        setattr(self, name, place)
        return place

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_PLACES})

    def __repr__(self) -> str:
        return f"<Realm of {self.world.home}: {', '.join(_PLACES)}>"


def _loaded_world() -> World | None:
    """The world whose settings this process has; it cannot have two."""
    if "django.conf" not in sys.modules:
        return None
    from django.conf import settings

    return settings.WORLD if settings.configured and hasattr(settings, "WORLD") else None


def _load(world: World) -> None:
    """Django, set up for this world. Raises RealmNotReady, ImproperlyConfigured."""
    loaded = _loaded_world()
    if loaded is None:
        os.environ["REALM_HOME"] = str(world.home)
        os.environ["DJANGO_SETTINGS_MODULE"] = "realm.settings"
        # A notebook runs an event loop, in which Django refuses to wait; here nobody else waits for that loop.
        os.environ.setdefault(_ASYNC_UNSAFE, "true")
    elif loaded != world:
        raise RealmNotReady(f"this Python has the world {loaded.home} loaded; start another one for {world.home}")
    ensure_django()


def _require_database() -> None:
    from django.db import DatabaseError

    from realm.databases import unready as unready_database
    from realm.databases.database import is_behind

    try:
        if is_behind():
            raise RealmNotReady(unready_database.sentence(DatabaseError("it is behind")))
    except DatabaseError as error:
        raise RealmNotReady(unready_database.sentence(error)) from error
