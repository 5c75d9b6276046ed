"""`manage.py evaluate CHECKPOINT` against the base model and chance; without one, those that wait."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from arena.daemon import evaluations
from arena.management import against_base
from arena.reports import sparrings
from guild.evaluation import queue as evaluation_queue
from guild.management.tables import as_text
from guild.models import EvaluationTask
from realm import strict
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig

LOOK_SECONDS = 5.0
MOST_LISTED = 200
_FOR_ONE = ("skill", "level", "count", "hero", "host")
_FOR_WAITING = ("once", "list", "limit", "bring_home")


class Command(BaseCommand):
    help = (
        "Hold a checkpoint against the base model and chance; without CHECKPOINT, those that wait to be evaluated "
        "answer the held-out problems, on hosts with `evaluates: true`, until SIGTERM or Ctrl+C."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "checkpoint", nargs="?", metavar="CHECKPOINT", help="a name, path or step, or base, newest, champion"
        )
        one = parser.add_argument_group("with CHECKPOINT")
        one.add_argument("--skill", action="append", help="repeatable (default: all)")
        one.add_argument("--level", help="such as 3, 1-5 or 1,2,7 (default: up to the one that the hero works on)")
        one.add_argument("--count", type=_count, help="so many other problems a level (default: the held-out ones)")
        one.add_argument("--hero", help="default: the settings'")
        one.add_argument("--host", help="who answers (default: the first of the hosts, or this command itself)")
        how = parser.add_mutually_exclusive_group()
        how.add_argument("--once", action="store_true", help="what waits now, then end")
        how.add_argument("--list", action="store_true", help="only show the queue")
        parser.add_argument("--bring-home", action="store_true", help="with --once: only what workers have answered")
        parser.add_argument("--limit", type=_count, metavar="N", help="at most N evaluations at a time")
        add_json(parser, goes_with="CHECKPOINT or --list")

    def handle(self, *args: Any, **options: Any) -> None:
        self._check(options)
        if options["checkpoint"] is not None:
            against_base.evaluate(self.stdout, self.stderr, settings.WORLD, settings.REALM, options)
            return
        if options["list"]:
            self._list(as_json=options["json"])
            return
        if options["bring_home"]:
            self._bring_home(always_tell=True)
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

    def _check(self, options: dict[str, Any]) -> None:
        """Usage that argparse cannot tell."""
        has_one = options["checkpoint"] is not None
        names = _FOR_WAITING if has_one else _FOR_ONE
        wrong = [name for name in names if options[name]]
        if wrong:
            said = f"--{wrong[0]} goes {'not with' if has_one else 'with'} a CHECKPOINT"
            raise CommandError(said, returncode=2)

    def _bring_home(self, *, always_tell: bool) -> None:
        arrived = evaluations.bring_home(settings.WORLD)
        if arrived:
            sparrings.write(settings.WORLD)
        if arrived or always_tell:
            self.stdout.write(f"{arrived} evaluations of workers have come home")

    def _process(self, limit: int | None, *, always_tell: bool) -> None:
        self._bring_home(always_tell=False)
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
