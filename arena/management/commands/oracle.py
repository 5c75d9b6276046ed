"""`manage.py oracle`: the inference host of this world."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = "Serve checkpoints behind an OpenAI-style API; on 8765 unless the settings say otherwise; until Ctrl+C."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--port", type=int, default=settings.REALM.oracle_port)
        parser.add_argument("--bind", default=settings.REALM.oracle_bind, help="beyond loopback it wants a token")

    def handle(self, *args: Any, **options: Any) -> None:
        """Becomes the host, which knows no Django."""
        os.environ["REALM_HOME"] = str(settings.WORLD.home)
        sys.stdout.flush()
        where = ["--bind", options["bind"], "--port", str(options["port"])]
        os.execv(sys.executable, [sys.executable, "-m", "arena.oracle", *where])
