"""`manage.py evaluate`: checkpoints that wait to be evaluated."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from arena.daemon import evaluations
from arena.reports import sparrings
from guild.evaluation import queue as evaluation_queue
from guild.management.tables import as_text
from guild.models import EvaluationTask
from realm import strict
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig

LOOK_SECONDS = 5.0
MOST_LISTED = 200


class Command(BaseCommand):
    help = (
        "Have waiting checkpoints answer the held-out problems, on hosts with `evaluates: true`, and judge what was "
        "answered; until SIGTERM or Ctrl+C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="what waits now, then end")
        how.add_argument("--list", action="store_true", help="only show the queue")
        parser.add_argument("--limit", type=_count, metavar="N", help="at most N evaluations at a time")
        add_json(parser, goes_with="--list")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["list"]:
            self._list(as_json=options["json"])
            return
        leaving = threading.Event()
        if not options["once"]:
            for number in (signal.SIGTERM, signal.SIGINT):
                signal.signal(number, lambda *_: leaving.set())
        try:
            self._process(options["limit"], always_tell=True)
            while not options["once"] and not leaving.wait(LOOK_SECONDS):
                self._process(options["limit"], always_tell=False)
        except BadConfig as error:
            raise CommandError(str(error)) from error

    def _process(self, limit: int | None, *, always_tell: bool) -> None:
        report = evaluation_queue.process(settings.WORLD, limit=limit, tell=evaluations.tell)
        if report.done:
            sparrings.write(settings.WORLD)  # a sparring's gain is told by these
        if always_tell or report.done or report.failed:
            self.stdout.write(f"{report.done} evaluated, {report.failed} failed, {report.waiting} waiting")
            for trouble in report.troubles:
                self.stdout.write(f"  {trouble}")

    def _list(self, *, as_json: bool) -> None:
        """What is not done, the oldest step first; of many only the first."""
        tasks = EvaluationTask.objects.exclude(state=EvaluationTask.State.DONE).order_by("step", "checkpoint", "id")
        if as_json:
            write_json(self.stdout, list(tasks))
            return
        table = Table("checkpoint", "skill", "level", "state", "host", "attempts", "why not")
        for task in tasks[:MOST_LISTED]:
            table.add_row(
                task.checkpoint, task.skill, str(task.level), task.state, task.host, str(task.attempts), task.reason
            )
        hidden = tasks.count() - table.row_count
        self.stdout.write(as_text(table) if table.row_count else "No checkpoint waits to be evaluated.")
        if hidden:
            self.stdout.write(f"and {hidden} more")


def _count(text: str) -> int:
    number = strict.whole_number(text)
    if not number:
        raise ValueError(text)
    return number
