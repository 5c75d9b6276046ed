"""`manage.py make_sets`: make evaluation and validation sets that are missing, so that no battle waits for them."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from guild.errors import GuildError
from guild.evaluation.set_making import make_missing_sets


class Command(BaseCommand):
    help = "Make the evaluation and validation sets that are missing; those of the hero's own levels first."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            made, troubles = make_missing_sets(settings.WORLD, settings.REALM.hero, tell=self.stdout.write)
        except GuildError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(f"{made} sets made" if made else "No set was missing.")
        if troubles:
            raise CommandError("; ".join(troubles))
