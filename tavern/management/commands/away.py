"""`manage.py away`: what is otherwise than it was some hours ago."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils import timezone

from realm.management.as_json import add_json, write_json
from tavern import formatting
from tavern.away.api import told
from tavern.away.report import Report, report
from tavern.away.since import HOW, BadSince, parse_since


class Command(BaseCommand):
    help = "What happened while you were away: levels, losses, quests, faults, and why the arena waited."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--since", default="8h", help=HOW)
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            since = parse_since(options["since"])
        except BadSince as error:
            raise CommandError(str(error)) from error
        found = report(settings.WORLD, settings.REALM.hero, since=since, until=timezone.now())
        if options["json"]:
            write_json(self.stdout, told(found))
            return
        for line in lines(found):
            self.stdout.write(line)


def lines(found: Report) -> list[str]:
    head = f"While you were away for {formatting.duration(found.seconds)}:"
    if not found.rows:
        return [head, "Nothing happened."]
    return [head, *(line for row in found.rows for line in _lines_of(row))]


def _lines_of(row: Any) -> list[str]:
    return [f"  {row.label:<18}{row.said}", *(f"{'':20}{moment.said}" for moment in row.moments)]
