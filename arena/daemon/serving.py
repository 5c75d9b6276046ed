"""The one daemon of a world, with everything that it needs made ready."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from arena.daemon import database_rebuilt, restored_world
from arena.daemon.battles import ensure_hero
from arena.daemon.file_events import watching
from arena.daemon.loop import ArenaDaemon, only_daemon
from arena.daemon.until import FOREVER, Until
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from realm import config as realm_config
from realm import newer_world
from realm.config import RealmConfig
from realm.databases import database
from realm.world import World
from vault.treasury.rules import Rules as TreasuryRules


@contextmanager
def opened(
    world: World,
    config: RealmConfig,
    *,
    changed: Callable[[RealmConfig], RealmConfig] = lambda config: config,
    until: Until = FOREVER,
) -> Iterator[ArenaDaemon]:
    """The daemon, about to `run`. `changed` is laid over the settings whenever they are read.

    Raises loop.AnotherDaemon, strict.BadConfig, newer_world.NewerWorld, database_watch.DatabaseGone and
    django.db.DatabaseError.
    """

    def load() -> RealmConfig:
        return changed(realm_config.load(world, recipe=Recipe, gatekeeper=GateRules, treasury=TreasuryRules))

    with only_daemon(world):
        newer_world.check(world)
        database.make_ready(world)
        database_rebuilt.tell_of_new(world)
        restored_world.tell_once(world)
        ensure_hero(world, config)
        daemon = ArenaDaemon(world=world, config=changed(config), reload_config=load, until=until)
        # Sent when a writer opens a file in the instant the inbox holds a lease on it; it kills by default.
        signal.signal(signal.SIGIO, signal.SIG_IGN)
        with watching(world, daemon.wake_up.set):
            yield daemon
