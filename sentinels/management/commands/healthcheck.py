"""`manage.py healthcheck`: one patrol; exit code 1 where something is in trouble."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from realm.management.as_json import add_json, write_json
from sentinels.inspector import patrol


class Command(BaseCommand):
    help = "Look at services, disk, database, hosts and trainers; status/health.json says the same."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        found = patrol(settings.WORLD, settings.REALM)
        if options["json"]:
            write_json(self.stdout, found)
        else:
            for finding in found:
                self.stdout.write(f"{finding.verdict:<9} {finding.what}: {finding.said}")
        troubled = [finding.what for finding in found if finding.verdict == "trouble"]
        if troubled:
            raise CommandError(f"in trouble: {', '.join(troubled)}")
