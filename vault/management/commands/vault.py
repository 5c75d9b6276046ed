from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from realm.management.as_json import add_json, write_json
from vault.index import ScanReport, scan


class Command(BaseCommand):
    help = "The vault: `scan` rebuilds the list of checkpoints from what lies on disk."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        scanning = actions.add_parser("scan", help="make the list equal to the disk and say what was different")
        add_json(scanning)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        report = scan(settings.WORLD)
        if options["json"]:
            write_json(self.stdout, report)
        else:
            self._print(report)
        if report.damaged:
            raise CommandError(f"damaged and therefore not listed: {len(report.damaged)}")

    def _print(self, report: ScanReport) -> None:
        for word in ("added", "updated", "falsified", "removed", "damaged"):
            for line in getattr(report, word):
                self.stdout.write(f"{word:<10}{line}")
        self.stdout.write(f"{report.listed} checkpoints listed")
