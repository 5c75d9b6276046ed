"""`manage.py arena`: the daemon that owns the queue and the trainer."""

from __future__ import annotations

import logging
import signal
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from arena.daemon import serving
from arena.management.daemon_errors import in_a_sentence
from realm.logs.configuration import STARTED

log = logging.getLogger("arena")


class Command(BaseCommand):
    help = "Watch the inbox, keep the queue, train the hero; until SIGTERM or Ctrl+C, which save first."

    def handle(self, *args: Any, **options: Any) -> None:
        with in_a_sentence(settings.WORLD), serving.opened(settings.WORLD, settings.REALM) as daemon:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: daemon.stop())
            log.info("the arena of %s opens", settings.WORLD.home, extra={"event": STARTED})
            daemon.run()
