"""`manage.py chronicle list`: what was told, newest last, as the battle log has it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from realm.management.as_json import add_json, write_json
from watchtower import telling
from watchtower.telling import OTHER_TOPIC, TOPICS

USUAL = 50


class Command(BaseCommand):
    help = "Show the chronicle: what happened to hero, quests and realm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="entries, the newest last")
        topics = (*TOPICS, OTHER_TOPIC)
        listing.add_argument("--topic", choices=topics, default="", metavar="TOPIC", help=f"one of {', '.join(topics)}")
        listing.add_argument("--kind", default="", help="only these, such as checkpoint_saved")
        listing.add_argument("--search", default="", metavar="WORDS")
        listing.add_argument("--before", type=int, metavar="ID", help="only what was told before this entry")
        listing.add_argument("--limit", type=int, default=USUAL, help=f"newest N (default {USUAL})")
        add_json(listing)

    def handle(self, *args: Any, **options: Any) -> None:
        asked = {key: options[key] for key in ("topic", "kind", "search", "before")}
        entries = list(telling.find(**asked)[: max(0, options["limit"])])[::-1]
        if options["json"]:
            write_json(self.stdout, entries)
            return
        for entry in entries:
            when = timezone.localtime(entry.time).strftime("%Y-%m-%d %H:%M:%S")
            self.stdout.write(f"{entry.pk:>7}  {when}  {entry.kind:<20} {entry.message}")
