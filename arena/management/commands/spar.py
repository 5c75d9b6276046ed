"""`manage.py spar --skill bin --count 100`, `spar --validate FILE`, `--check-all`, `--status`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.markup import escape
from rich.table import Table

from arena import status as arena_status
from arena.reports import sparrings
from arena.reports.sparrings import Gain, Sparring
from guild.errors import GuildError
from guild.management import foreground
from guild.management.tables import as_text
from guild.work import sparring, sparring_check
from realm.management.as_json import add_json, write_json

MOST_FAULTS = 100


class Command(BaseCommand):
    help = "Let the hero answer problems of its level; its mistakes become a quest of high priority."

    def add_arguments(self, parser: ArgumentParser) -> None:
        action = parser.add_mutually_exclusive_group(required=True)
        action.add_argument("--skill")
        action.add_argument("--validate", type=Path, metavar="FILE", help="check a sparring's file, row by row")
        action.add_argument("--check-all", action="store_true", help="check every sparring's file in inbox and queue")
        action.add_argument("--status", action="store_true", help="the last sparrings and what came of them")
        parser.add_argument("--count", type=int, default=100, help="problems asked (default 100)")
        parser.add_argument(
            "--checkpoint", help="a step, a name, newest, best (the champion) or base (default: newest)"
        )
        parser.add_argument("--level", type=int, help="default: the one that the hero works on")
        parser.add_argument("--seed", type=int, help="the same problems again (default: by chance)")
        parser.add_argument("--no-rehearsal", action="store_true", help="only mistakes, nothing of what the hero knows")
        parser.add_argument(
            "--no-quotes",
            action="store_true",
            help="no correction quotes the wrong answer, as sparring_quotes_mistakes",
        )
        parser.add_argument(
            "--least-right", type=float, default=0.0, metavar="SHARE",
            help="make no quest where fewer were right, such as 0.5 (default 0)",
        )  # fmt: skip
        parser.add_argument("--hero", help="default: the settings'")
        parser.add_argument("--host", help="who answers (default: the first of the hosts)")
        parser.add_argument("--background", action="store_true", help="leave it to the Task Master")
        add_json(parser, goes_with="--skill and --status")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["validate"]:
                self._validate(options["validate"])
            elif options["check_all"]:
                self._check_all()
            elif options["status"]:
                self._status(as_json=options["json"])
            else:
                self._spar(options)
        except GuildError as error:
            raise CommandError(str(error)) from error

    def _spar(self, options: dict[str, Any]) -> None:
        order = sparring.order(
            world=settings.WORLD,
            hero=options["hero"] or settings.REALM.hero,
            skill=options["skill"],
            count=options["count"],
            checkpoint=options["checkpoint"],
            level=options["level"],
            host=options["host"],
            seed=options["seed"],
            rehearse=not options["no_rehearsal"],
            quote=settings.REALM.sparring_quotes_mistakes and not options["no_quotes"],
            least_right=options["least_right"],
        )
        run = sparring.create(order, by=foreground.asker())
        try:
            foreground.begin(
                self.stdout, settings.WORLD, run, background=options["background"], as_json=options["json"]
            )
        finally:
            sparrings.write(settings.WORLD)
        if not options["json"] and not arena_status.daemon_alive(settings.WORLD):
            self.stdout.write("The arena is not running; it will look at what came of it when it starts.")

    def _validate(self, path: Path) -> None:
        if fault := self._fault(path):
            raise CommandError(fault)

    def _check_all(self) -> None:
        """Every file is checked, whatever another one's faults are."""
        faults = [fault for path in sparring_check.find_files(settings.WORLD) if (fault := self._fault(path))]
        if faults:
            raise CommandError("; ".join(faults))
        self.stdout.write("Every sparring's file in inbox and queue is sound.")

    def _fault(self, path: Path) -> str:
        """What is wrong with the file, a sentence; its first faults are written line by line. Empty if it is sound."""
        found = sparring_check.check(settings.WORLD, path)
        for fault in found.faults[:MOST_FAULTS]:
            self.stdout.write(str(fault))
        if not found.sound:
            return f"{path}: {len(found.faults)} faults in {found.rows} rows"
        self.stdout.write(f"{path}: {found.rows} rows of {found.groups} mistakes, all sound")
        return ""

    def _status(self, *, as_json: bool) -> None:
        sparrings.write(settings.WORLD)
        if as_json:
            write_json(self.stdout, list(sparrings.sparrings(settings.WORLD)))
            return
        table = Table(
            "run", "skill", "level", "checkpoint", "right", "examples", "state", "gain", "levels below", "reason"
        )
        for entry in sparrings.sparrings(settings.WORLD):
            table.add_row(*map(escape, _cells(entry)))
        self.stdout.write(as_text(table), ending="")


def _cells(entry: Sparring) -> list[str]:
    result = entry.result
    if result is None:
        return [str(entry.run), *["--"] * 5, entry.state, "--", "--", entry.reason]
    right = f"{result.asked - result.wrong}/{result.asked}"
    what = [result.skill, str(result.level), result.checkpoint, right, str(result.examples)]
    return [str(entry.run), *what, entry.state, _gain(entry.gain), _below(entry), entry.reason]


def _gain(gain: Gain | None) -> str:
    if gain is None:
        return "--"
    return f"{_counts(gain)}, {gain.share * 100:+.1f} points" + ("" if gain.is_clear else " (may be noise)")


def _below(entry: Sparring) -> str:
    """What became of the levels below the sparred one; of those that nobody asked it is unknown."""
    known = [f"level {gain.level}: {_counts(gain)}" for gain in entry.below]
    if not entry.unknown_below:
        return ", ".join(known) or "none"
    return ", ".join([*known, "others --"] if known else ["--"])


def _counts(gain: Gain) -> str:
    return f"{gain.before_correct}/{gain.before_total} to {gain.after_correct}/{gain.after_total}"
