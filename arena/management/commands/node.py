"""`manage.py node`: this machine trains with another one."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser


class Command(BaseCommand):
    help = (
        "Train with another machine, whose world this one has mounted (REALM_HOME): in each battle that names it under "
        "training.nodes; until Ctrl+C."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="node_address of the other machine, such as 10.0.0.1:29400")
        parser.add_argument("--name", required=True, help="of this machine, as in training.nodes")

    def handle(self, *args: Any, **options: Any) -> None:
        """Becomes the node, which knows no Django."""
        os.environ["REALM_HOME"] = str(settings.WORLD.home)
        sys.stdout.flush()
        where = [options["address"], "--name", options["name"]]
        os.execv(sys.executable, [sys.executable, "-m", "arena.training.machines", *where])
