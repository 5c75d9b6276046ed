"""`manage.py validate_queue`: are the quests that wait still what the gatekeepers let pass?"""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena.daemon.queue_check import check_queue
from arena.daemon.settings import read_rules
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = "Read every waiting quest again and tell what changed; since the gatekeepers let it pass. Exit code 1 then."

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        most_steps = read_rules(settings.REALM).sparring_stale_steps
        waiting, found = check_queue(settings.WORLD, hero=settings.REALM.hero, most_steps=most_steps)
        if options["json"]:
            write_json(self.stdout, {"waiting": waiting, "findings": found})
        else:
            for finding in found:
                self.stdout.write(f"{finding.kind:<12}{finding.quest}: {finding.what}")
            self.stdout.write(f"{waiting} quests wait")
        if found:
            raise CommandError(f"not as they should be: {len({finding.file for finding in found})} of {waiting}")
