"""`manage.py checkpoint_cleanup [--dry-run]`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from arena.daemon.cleanup import clean_up
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from vault.errors import VaultError


class Command(BaseCommand):
    help = "Delete old checkpoints that must make room; where the daemon does not: of other heroes, or while it is off."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="only say what would be deleted")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            cleaned = clean_up(settings.WORLD, settings.REALM, dry_run=options["dry_run"])
        except (VaultError, BadConfig) as error:
            raise CommandError(str(error)) from error
        if options["json"]:
            write_json(self.stdout, cleaned)
            return
        word = "would be deleted" if options["dry_run"] else "deleted"
        for name in (*cleaned.deleted, *cleaned.leftovers):
            self.stdout.write(f"{word}: {name}")
        for name in cleaned.thinned:
            self.stdout.write(f"{'would keep' if options['dry_run'] else 'keeps'} its weights alone: {name}")
        if not cleaned.deleted and not cleaned.thinned and not cleaned.leftovers:
            self.stdout.write("Nothing must make room.")
        if cleaned.left_to_daemon:
            self.stdout.write(f"The arena looks after {cleaned.left_to_daemon} itself.")
