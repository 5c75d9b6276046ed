"""`manage.py healthcheck`: one patrol; exit code 1 where something is in trouble."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from sentinels.inspector import patrol


class Command(BaseCommand):
    help = "Look at services, disk, database, hosts and trainers; status/health.json says the same."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        found = patrol(settings.WORLD, settings.REALM)
        for finding in found:
            self.stdout.write(f"{finding.verdict:<9} {finding.what}: {finding.said}")
        troubled = [finding.what for finding in found if finding.verdict == "trouble"]
        if troubled:
            raise CommandError(f"in trouble: {', '.join(troubled)}")
