"""`manage.py runs list|show|stop|again|delete|compare`."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from guild.errors import GuildError
from guild.management.tables import comparison_table, listing, run_table, trial_table
from guild.models import Run
from guild.work import runs, trials
from guild.work.again import once_more
from realm import strict
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = "The forge's, the trials' and the sparrings' runs; what they do, what came of them."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="the newest first")
        listing.add_argument("--kind", choices=Run.Kind.values)
        listing.add_argument("--limit", type=int, default=30, help="the newest N (default 30)")
        add_json(listing)
        for action, text in (
            ("show", "what was asked for, how far it is, what came of it"),
            ("stop", "ask a run to stop; it does so at its next pause"),
            ("again", "let a run that failed or was stopped wait for its start once more"),
            ("delete", "forget a run that is over; what it made stays"),
        ):
            one = actions.add_parser(action, help=text)
            one.add_argument("run", type=int, metavar="ID")
            add_json(one)
        comparing = actions.add_parser("compare", help="two runs of a kind beside each other")
        comparing.add_argument("run", type=int, metavar="ID")
        comparing.add_argument("other", type=int, metavar="ID")
        add_json(comparing)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except (GuildError, strict.BadConfig) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        kind = Run.Kind(options["kind"]) if options["kind"] else None
        if options["limit"] < 1:
            raise GuildError(f"limit: {options['limit']} is not allowed; allowed are 1 and more")
        found = list(runs.history(kind)[: options["limit"]])
        if options["json"]:
            write_json(self.stdout, found)
        else:
            self.stdout.write(run_table(found), ending="")

    def _show(self, options: dict[str, Any]) -> None:
        run = runs.get(options["run"])
        if options["json"]:
            write_json(self.stdout, {"run": run, "events": runs.events(run), "results": runs.results(run)})
            return
        self.stdout.write(run_table([run]), ending="")
        self.stdout.write(f"asked for:\n{listing(run.parameters)}", ending="")
        for event in runs.events(run):
            self.stdout.write(f"{event['time']}  {event['done']}/{event['total']}  {event['message']}")
        found = runs.results(run)
        if found and run.kind == Run.Kind.TRIAL:
            self.stdout.write(trial_table(run), ending="")
        elif found:
            self.stdout.write(f"came of it:\n{listing(found)}", ending="")

    def _stop(self, options: dict[str, Any]) -> None:
        run = runs.stop(options["run"])
        self._tell(options, run, f"Run {run.pk} {'will stop at its next pause' if not run.is_over else run.message}.")

    def _again(self, options: dict[str, Any]) -> None:
        run = once_more(options["run"], by="manage.py runs")
        self._tell(options, run, f"Run {run.pk} waits; `manage.py perform {run.pk}` begins it now.")

    def _delete(self, options: dict[str, Any]) -> None:
        run = runs.delete(options["run"])
        self._tell(options, run, f"Run {options['run']} ({run.title}) is forgotten; what it made stays.")

    def _tell(self, options: dict[str, Any], run: Run, said: str) -> None:
        if options["json"]:
            write_json(self.stdout, {"run": run})
        else:
            self.stdout.write(said)

    def _compare(self, options: dict[str, Any]) -> None:
        one, other = runs.get(options["run"]), runs.get(options["other"])
        runs.check_comparable(one, other)
        if options["json"] and one.kind != Run.Kind.TRIAL:
            write_json(self.stdout, [{"run": run, "results": runs.results(run)} for run in (one, other)])
            return
        if one.kind != Run.Kind.TRIAL:
            self.stdout.write(run_table([one, other]), ending="")
            for run in (one, other):
                self.stdout.write(f"{run.pk}:\n{listing(runs.results(run))}", ending="")
            return
        found = trials.compare(trials.read_result(runs.results(one)), trials.read_result(runs.results(other)))
        if not found:
            raise GuildError(f"Runs {one.pk} and {other.pk} have no level in common")
        if options["json"]:
            write_json(self.stdout, found)
        else:
            self.stdout.write(comparison_table(found), ending="")
