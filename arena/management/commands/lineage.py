"""`manage.py lineage`: where every checkpoint comes from and what it can do."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from arena.reports.lineage import text_path, write_lineages
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = (
        "Write where each checkpoint comes from; to status/lineage.json and .txt: parent, quest, losses, evaluations."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        lineages = write_lineages(settings.WORLD)
        if options["json"]:
            write_json(self.stdout, lineages)
            return
        count = sum(len(lineage.checkpoints) for lineage in lineages)
        self.stdout.write(f"{count} checkpoints of {len(lineages)} heroes stand in {text_path(settings.WORLD)}")
