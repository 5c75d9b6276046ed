"""`manage.py ledger VERB`: those of the vault, and the one that the arena obeys."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from arena.management import going_on
from vault.errors import VaultError
from vault.management.ledger.verbs import VERBS


class Command(BaseCommand):
    help = "The hero's checkpoints; `go-on-from` lets it go on from an older one, as a branch: nothing is deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="action", required=True)
        for verb in (*VERBS, going_on):
            verb.add(verbs)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            options["do"](self.stdout, options)
        except VaultError as error:
            raise CommandError(str(error)) from error
