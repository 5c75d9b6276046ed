"""`manage.py quest add|list|show`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.table import Table

from arena import control, queue
from arena.management import show
from arena.models import Quest
from realm.world import PRIORITIES


class Command(BaseCommand):
    help = "Put training data files into the queue, or show them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add = actions.add_parser("add", help="copy files into the queue; they stay where they are, too")
        add.add_argument("files", nargs="+", type=Path, metavar="FILE")
        add.add_argument("--priority", choices=PRIORITIES, default="normal")
        listing = actions.add_parser("list", help="quests and where they stand")
        listing.add_argument("--state", choices=Quest.State.values, help="only these")
        listing.add_argument("--limit", type=int, default=50, help="newest N that are over (default 50)")
        show.add_arguments(actions.add_parser("show", help="a quest's rows as the hero will see them"))

    def handle(self, *args: Any, **options: Any) -> None:
        if options["action"] == "add":
            self._add(options["files"], options["priority"])
        elif options["action"] == "show":
            seen = show.shown(settings.WORLD, settings.REALM, options, colours=self.stdout.isatty())
            self.stdout.write(seen, ending="")
        else:
            self._list(options["state"], options["limit"])

    def _add(self, files: list[Path], priority: str) -> None:
        for path in files:
            if not path.is_file():
                raise CommandError(f"{path} is not a file")
            added = queue.add_file(settings.WORLD, path, priority=priority)
            self.stdout.write(f"{path} waits as {added.name}, priority {priority}")
        if not control.daemon_alive(settings.WORLD):
            self.stdout.write("The arena is not running; it will look at them when it starts.")

    def _list(self, state: str | None, limit: int) -> None:
        table = Table("id", "quest", "state", "priority", "rows", "taken", "reason")
        for quest in self._chosen(state, limit):
            table.add_row(
                str(quest.id),
                quest.name,
                quest.state,
                quest.priority,
                str(quest.rows),
                str(quest.taken),
                quest.reason,
            )
        console = Console()
        with console.capture() as text:
            console.print(table)
        self.stdout.write(text.get())

    def _chosen(self, state: str | None, limit: int) -> list[Quest]:
        over = Quest.objects.exclude(state__in=(Quest.State.QUEUED, Quest.State.BATTLING))
        fought = list(Quest.objects.filter(state=Quest.State.BATTLING))
        everything = [*reversed(over.order_by("-id")[:limit]), *fought, *queue.waiting()]
        return [quest for quest in everything if state in (None, quest.state)]
