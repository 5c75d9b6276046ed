"""`manage.py perform RUN_ID`: one waiting run, in this process."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena.reports.sparrings import write
from guild.errors import GuildError
from guild.management import foreground


class Command(BaseCommand):
    help = "Carry out one waiting run of the guild; SIGTERM and Ctrl+C stop it cleanly."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("run", type=int, metavar="RUN_ID")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            foreground.see_through(self.stdout, settings.WORLD, options["run"])
        except GuildError as error:
            raise CommandError(str(error)) from error
        finally:
            write(settings.WORLD)
