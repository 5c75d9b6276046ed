"""`manage.py lineage`: where every checkpoint comes from and what it can do."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from arena.reports.lineage import text_path, write_lineages


class Command(BaseCommand):
    help = "Write status/lineage.json and status/lineage.txt: each checkpoint's parent, quest, losses, evaluations."
    requires_system_checks = []  # they load every page

    def handle(self, *args: Any, **options: Any) -> None:
        lineages = write_lineages(settings.WORLD)
        count = sum(len(lineage.checkpoints) for lineage in lineages)
        self.stdout.write(f"{count} checkpoints of {len(lineages)} heroes stand in {text_path(settings.WORLD)}")
