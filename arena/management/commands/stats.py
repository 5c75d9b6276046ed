"""`manage.py stats show|export`."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from arena import selectors
from arena.statistics import curves, exporting, picture, text
from arena.statistics.battle import document, of_source
from arena.statistics.source import NoBattle, Source
from realm.management.as_json import add_json, write_json


class Command(BaseCommand):
    help = "Show the statistics of a battle, or write them and its curves to files."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        show = actions.add_parser("show", help="convergence, speed, memory, bottleneck, anomalies, errors")
        export = actions.add_parser("export", help="statistics and every step's figures, for other programs")
        for action in (show, export):
            action.add_argument("battle", nargs="?", metavar="BATTLE", help="its id (default: the newest)")
        add_json(show)
        for form, what in (
            ("json", "statistics and curves"), ("csv", "a line a step, losses of each validation set beside"),
            ("png", "the curves as a picture"),
        ):  # fmt: skip
            export.add_argument(f"--{form}", metavar="FILE", help=f"{what}; - for the standard output")
        export.add_argument("--points", type=_points, metavar="N", help="about N steps instead of all, in JSON and CSV")

    def handle(self, *args: Any, **options: Any) -> None:
        source = _opened(options["battle"])
        if options["action"] == "export":
            self._export(source, options)
        elif options["json"]:
            write_json(self.stdout, document(of_source(source)))
        else:
            for line in text.lines(of_source(source)):
                self.stdout.write(line)

    def _export(self, source: Source, options: dict[str, Any]) -> None:
        wanted = {form: options[form] for form in ("json", "csv", "png") if options[form]}
        if not wanted:
            raise CommandError("say what to write: --json FILE, --csv FILE or --png FILE")
        if list(wanted.values()).count("-") > 1:
            raise CommandError("only one of them can go to the standard output")
        for form, target in wanted.items():
            pieces = _pieces(source, form, options["points"])
            if target == "-":
                self._pour(pieces)
            else:
                with _in_words(target):
                    exporting.write(Path(target), pieces)
                if "-" not in wanted.values():
                    self.stdout.write(f"{target}: {source.count:,} steps of {source.battle}")

    def _pour(self, pieces: Iterable[bytes]) -> None:
        """As bytes: a picture is no text."""
        out = getattr(self.stdout, "_out", sys.stdout)
        raw = getattr(out, "buffer", None)
        for piece in pieces:
            if raw is not None:
                raw.write(piece)
            else:
                out.write(piece.decode("utf-8", "replace"))
        out.flush()


def _opened(battle: str | None) -> Source:
    """Raises CommandError."""
    if battle is None:
        newest = selectors.latest_battle()
        if newest is None:
            raise CommandError("no battle was fought yet")
        battle = newest.battle_id
    try:
        return Source.of(settings.WORLD, battle)
    except NoBattle as error:
        raise CommandError(f"{error}; `manage.py quest list` and the chronicle name battles") from error


def _points(value: str) -> int:
    count = int(value)
    if not curves.LEAST_POINTS <= count <= curves.MOST_POINTS:
        raise ValueError(value)
    return count


def _pieces(source: Source, form: str, points: int | None) -> Iterable[bytes]:
    if form == "png":
        return [picture.as_png(source)]
    if form == "csv":
        return curves.as_csv(source, points=points)
    return curves.as_json(source, points=points, statistics=document(of_source(source)))


@contextmanager
def _in_words(target: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{target} cannot be written: {error.strerror or error}") from error
