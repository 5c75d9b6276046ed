"""`manage.py timeline`: what the realm did in the last day, and why it did nothing where it did nothing."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from realm.management.as_json import add_json, write_json
from watchtower.api.timeline import told
from watchtower.timeline.day import HOURS, Day, read_day
from watchtower.timeline.spans import Span

LEAST_SECONDS = 60.0
"""Idle spans that are shorter are counted and not listed."""


class Command(BaseCommand):
    help = "What the realm did in the last hours, minute by minute, and the reason of each idle one."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--hours", type=_hours, default=HOURS, help="how far back, at most 24")
        parser.add_argument("--all", action="store_true", help="every span, not the idle ones alone")
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        day = read_day(settings.WORLD, hours=options["hours"])
        if options["json"]:
            write_json(self.stdout, told(day))
            return
        for line in lines(day, everything=options["all"]):
            self.stdout.write(line)


def lines(day: Day, *, everything: bool) -> list[str]:
    """The sum of each kind, then the spans."""
    sums = [f"{kind:<11}{_minutes(seconds)}" for kind, seconds in day.seconds.items()]
    shown = day.spans if everything else [span for span in day.idle if span.seconds >= LEAST_SECONDS]
    shorter = "; --all shows what was shorter" if day.idle else ""
    return [*sums, "", *map(line, shown)] if shown else [*sums, "", f"No idle minute{shorter}."]


def line(span: Span) -> str:
    """`02:10–02:45  waiting    the disk is full`, in this machine's time; yesterday `Sun 22:10`."""
    first, last = (clock(datetime.fromtimestamp(moment)) for moment in (span.start, span.end))
    return f"{first}–{last}  {span.kind:<11}{': '.join(filter(None, (span.quest, span.why)))}".rstrip()


def clock(moment: datetime) -> str:
    return moment.strftime("%H:%M" if moment.date() == datetime.now().date() else "%a %H:%M")


def _minutes(seconds: float) -> str:
    return f"{int(seconds // 3600)}h {int(seconds % 3600 // 60):02d}m {int(seconds % 60):02d}s"


def _hours(text: str) -> float:
    try:
        hours = float(text)
    except ValueError:
        hours = 0.0
    if not 0 < hours <= HOURS:
        raise ArgumentTypeError(f"{text!r} is no number of hours up to {HOURS:.0f}")
    return hours
