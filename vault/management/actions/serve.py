"""`manage.py vault serve`."""

from __future__ import annotations

import os
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper


def add(actions: Any) -> None:
    parser = actions.add_parser("serve", help="the vault's API alone, with the jobs that wait, until Ctrl+C")
    parser.add_argument("--port", type=int, default=settings.REALM.vault_port)
    parser.add_argument(
        "--bind", default=settings.REALM.vault_bind, help="beyond loopback only with a token; see `manage.py tokens`"
    )
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    """Becomes the vault's process, which knows what the vault does not: how to show and command training."""
    os.environ["REALM_HOME"] = str(settings.WORLD.home)
    sys.stdout.flush()
    chosen = ["--port", str(options["port"]), "--bind", options["bind"]]
    os.execv(sys.executable, [sys.executable, "-m", "watchtower.api", *chosen])
