"""`manage.py patrol`: a look at everything; exit code 1 where something is in trouble, 2 for warnings by `--strict`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from realm.management.as_json import add_json, write_json
from sentinels.inspector.finding import named
from sentinels.inspector.patrol import CHECKS, patrol

TROUBLED, WARNED = 1, 2


class Command(BaseCommand):
    help = (
        "Look at services, disk, database, queue, settings, checkpoints, ledger, clock, permissions, GPUs, hosts and "
        "trainers; a line a finding, with what to do. A whole patrol also writes status/health.json."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--only", nargs="+", choices=list(CHECKS), default=[], metavar="CHECK", help=_CHECKS)
        parser.add_argument("--deep", action="store_true", help="read every byte of every checkpoint and the database")
        parser.add_argument("--strict", action="store_true", help="exit code 2 where there are only warnings")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        found = patrol(settings.WORLD, settings.REALM, only=options["only"], deep=options["deep"])
        if options["json"]:
            write_json(self.stdout, found)
        else:
            self.stdout.writelines(f"{finding}\n" for finding in found)
        if troubled := {finding.what for finding in found if finding.verdict == "trouble"}:
            raise CommandError(f"in trouble: {named(troubled)}", returncode=TROUBLED)
        warned = {finding.what for finding in found if finding.verdict == "warning"}
        if warned and options["strict"]:
            raise CommandError(f"to be looked at: {named(warned)}", returncode=WARNED)


_CHECKS = f"look at these alone and write nothing: {', '.join(CHECKS)}"
