"""`manage.py logs [SERVICE]`: what the services logged, followed live; and how much one logs."""

from __future__ import annotations

import json
import re
from argparse import ArgumentTypeError
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from realm.config import LOG_LEVELS
from realm.logs import levels, shown
from realm.logs.line import LogLine
from realm.logs.reading import Follower, follow, tail
from realm.logs.sources import NoSuchLog
from realm.management.as_json import add_json, plain, write_json

DEFAULT = "default"
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MOST_LINES = 1_000_000


class Command(BaseCommand):
    help = (
        "Show what a service logged, or follow it; without a name the services that logged. Times are this machine's."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("service", nargs="?", metavar="SERVICE", help="such as arena, trainer, tavern, commands")
        parser.add_argument("-f", "--follow", action="store_true", help="go on with what is written, until Ctrl+C")
        parser.add_argument("-n", "--lines", type=_lines, default=50, help="the newest so many that match; default: 50")
        parser.add_argument("--level", choices=LOG_LEVELS, help="only lines as grave as this")
        parser.add_argument("--search", metavar="TEXT", default="", help="only lines with this in message or fields")
        parser.add_argument("--since", type=_moment, metavar="WHEN", help="ISO time, or 90s, 10m, 2h, 3d ago")
        parser.add_argument("--console", action="store_true", help="what its console said, in place of its JSON lines")
        parser.add_argument(
            "--set-level", choices=(*LOG_LEVELS, DEFAULT), metavar="LEVEL",
            help=f"let it log {', '.join(LOG_LEVELS)} from now on, while it runs; {DEFAULT}: as the settings say",
        )  # fmt: skip
        add_json(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["set_level"]:
                self._set_level(options["service"], options["set_level"])
            elif options["service"]:
                self._show(options["service"], options)
            else:
                self._list(as_json=options["json"])
        except (NoSuchLog, ValueError) as error:
            raise CommandError(str(error)) from error

    def _set_level(self, service: str | None, level: str) -> None:
        levels.set_level(settings.WORLD, service or "", "" if level == DEFAULT else level)
        self.stdout.write(f"{service} logs {settings.REALM.log_level if level == DEFAULT else level} from now on.")

    def _list(self, *, as_json: bool) -> None:
        found = shown.services(settings.WORLD, default=settings.REALM.log_level)
        if as_json:
            write_json(self.stdout, found)
            return
        width = max((len(one.service) for one in found), default=0)
        for one in found:
            self.stdout.write(shown.in_a_row(one, width))

    def _show(self, service: str, options: dict[str, Any]) -> None:
        wanted = {"level": options["level"] or "", "text": options["search"], "console": options["console"]}
        with Follower(
            settings.WORLD, service, **wanted
        ) as follower:  # from before the end is read, so nothing is missed
            page = tail(settings.WORLD, service, since=options["since"] or "", limit=options["lines"], **wanted)
            if options["json"] and not options["follow"]:
                write_json(self.stdout, page.lines)
                return
            for line in page.lines:
                self._write(line, as_json=options["json"])
            if options["follow"]:
                self._follow(follower, page.lines, as_json=options["json"])

    def _follow(self, follower: Follower, told: list[LogLine], *, as_json: bool) -> None:
        cursors = {line.cursor for line in told}
        with suppress(KeyboardInterrupt):
            for line in follow(follower):
                if line.cursor not in cursors:
                    self._write(line, as_json=as_json)
                    self.stdout.flush()

    def _write(self, line: LogLine, *, as_json: bool) -> None:
        if as_json:
            self.stdout.write(json.dumps(plain(line)))
            return
        grave = line.level in ("error", "critical")
        style = self.style.ERROR if grave else self.style.WARNING if line.level == "warning" else str
        self.stdout.write(style(shown.in_words(line)))


def _lines(text: str) -> int:
    """Raises ArgumentTypeError."""
    if not (text.isascii() and text.isdigit() and int(text[:10]) <= _MOST_LINES):
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed are 0 to {_MOST_LINES:,}")
    return int(text)


def _moment(text: str) -> str:
    """As lines have it. Raises ArgumentTypeError."""
    try:
        if ago := re.fullmatch(r"(\d{1,6})([smhd])", text):
            moment = datetime.now(UTC) - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        else:
            moment = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise ArgumentTypeError(f"{text!r} is no time; allowed are 2026-03-01T12:00 and 90s, 10m, 2h, 3d") from None
    return moment.isoformat(timespec="milliseconds")
