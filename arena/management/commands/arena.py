"""`manage.py arena`: the daemon that owns the queue and the trainer."""

from __future__ import annotations

import logging
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError

from arena.daemon import database_rebuilt, restored_world
from arena.daemon.battles import ensure_hero
from arena.daemon.file_events import watching
from arena.daemon.loop import AnotherDaemon, ArenaDaemon, only_daemon
from arena.gate.rules import GateRules
from arena.recipe import Recipe
from realm import database
from realm.config import load
from realm.database_watch import DatabaseGone
from realm.logs.configuration import STARTED
from realm.strict import BadConfig
from vault.treasury.rules import Rules as TreasuryRules

log = logging.getLogger("arena")


class Command(BaseCommand):
    help = "Watch the inbox, keep the queue, train the hero; until SIGTERM or Ctrl+C, which save first."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with only_daemon(settings.WORLD):
                database.make_ready(settings.WORLD)
                database_rebuilt.tell_of_new(settings.WORLD)
                restored_world.tell_once(settings.WORLD)
                ensure_hero(settings.WORLD, settings.REALM)
                daemon = ArenaDaemon(
                    world=settings.WORLD,
                    config=settings.REALM,
                    reload_config=lambda: load(
                        settings.WORLD, recipe=Recipe, gatekeeper=GateRules, treasury=TreasuryRules
                    ),
                )
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, lambda *_: daemon.stop())
                log.info("the arena of %s opens", settings.WORLD.home, extra={"event": STARTED})
                # Sent when a writer opens a file in the instant the inbox holds a lease on it; it kills by default.
                signal.signal(signal.SIGIO, signal.SIG_IGN)
                with watching(settings.WORLD, daemon.wake_up.set):
                    daemon.run()
        except (AnotherDaemon, BadConfig, DatabaseGone) as error:
            raise CommandError(str(error)) from error
        except DatabaseError as error:
            why = database.is_a_file_of(settings.WORLD) and database.damage(settings.WORLD.database)
            if not why:
                raise
            raise CommandError(f"the database is damaged ({why}); the next start makes it anew") from error
