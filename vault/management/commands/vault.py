"""`manage.py vault ACTION`; each action is a module of vault.management.actions with `add`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from vault.errors import VaultError
from vault.management.actions import copies, copy, drop, fetch, locate, scan, serve, strongholds, verify

ACTIONS = (scan, locate, fetch, copy, verify, drop, copies, strongholds, serve)


class Command(BaseCommand):
    help = "The vault: what lies where, on this machine and on others."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for action in ACTIONS:
            action.add(actions)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            options["do"](self.stdout, options)
        except VaultError as error:
            raise CommandError(str(error)) from error
