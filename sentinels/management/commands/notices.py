"""`manage.py notices list|events|add|set|remove|test|log`."""

from __future__ import annotations

import getpass
import sys
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.table import Table

from guild.management.tables import as_text
from realm import config
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from sentinels.notices import destinations
from sentinels.notices.errors import NoticeError
from sentinels.notices.events import EVENTS
from sentinels.notices.rules import DIGESTS


class Command(BaseCommand):
    help = "Notices outside the page: to which addresses, of what, and when."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("list", help="every destination, its address masked"))
        add_json(actions.add_parser("events", help="what can be told"))
        add_json(actions.add_parser("log", help="what was sent and what was not, the newest first"))
        new = actions.add_parser("add", help="a destination; its address is asked for, or read from standard input")
        _add_rules(actions.add_parser("set", help="what it is told, and when"), new)
        for word, said in (("remove", "forget it and its address"), ("test", "send one now, and show the answer")):
            actions.add_parser(word, help=said).add_argument("name")
        add_json(actions.choices["test"])

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        try:
            getattr(self, f"_{action}")(options)
        except (NoticeError, BadConfig, OSError) as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        seen = destinations.overview(settings.WORLD, config.load(settings.WORLD))
        if options["json"]:
            write_json(self.stdout, seen)
            return
        table = Table("destination", "address", "told", "digest", "quiet", "waiting", "last sent", "last failed")
        for one in seen.destinations:
            rules, failed = one.rules, one.last_failed
            told = ", ".join(rules.events) if rules.enabled else "off"
            last = (_spell(one.last_sent), f"{_spell(failed)} {failed.words}" if failed else "--")
            table.add_row(one.name, one.address or "--", told, rules.digest, rules.quiet, str(one.waiting), *last)
        empty = "There is no destination yet; `manage.py notices add phone` makes one."
        self.stdout.write(as_text(table) if seen.destinations else empty)
        if seen.trouble:
            self.stderr.write(seen.trouble)

    def _events(self, options: dict[str, Any]) -> None:
        if options["json"]:
            write_json(self.stdout, EVENTS)
            return
        table = Table("event", "what", "by default", "urgent")
        for name, event in EVENTS.items():
            table.add_row(name, event.title, *("yes" if on else "" for on in (event.by_default, event.is_urgent)))
        self.stdout.write(as_text(table))

    def _log(self, options: dict[str, Any]) -> None:
        found = destinations.history(settings.WORLD)
        if options["json"]:
            write_json(self.stdout, found)
            return
        for one in found:
            state = "sent" if one.ok else "gave up" if one.gave_up else "failed"
            self.stdout.write(f"{_spell(one)} {one.destination} {state}: {one.title}; {one.words}")
        if not found:
            self.stdout.write("Nothing was sent yet.")

    def _add(self, options: dict[str, Any]) -> None:
        name = options["name"]
        asked = getpass.getpass(f"Address of {name}, such as ntfys://ntfy.sh/TOPIC: ") if sys.stdin.isatty() else ""
        destinations.add(settings.WORLD, name, asked or sys.stdin.readline(), _changes(options))
        self.stdout.write(f"{name} is added; `manage.py notices test {name}` sends a test")

    def _set(self, options: dict[str, Any]) -> None:
        changes = _changes(options)
        destinations.save(settings.WORLD, {options["name"]: changes})
        self.stdout.write(f"{options['name']}: {'saved' if changes else 'nothing was changed'}")

    def _remove(self, options: dict[str, Any]) -> None:
        destinations.remove(settings.WORLD, options["name"])
        self.stdout.write(f"{options['name']} is removed")

    def _test(self, options: dict[str, Any]) -> None:
        answer = destinations.send_test(settings.WORLD, options["name"])
        if options["json"]:
            write_json(self.stdout, answer)
        else:
            self.stdout.write(f"{options['name']} {'took it' if answer.ok else 'did not take it'}: {answer.words}")
        if not answer.ok:
            raise CommandError("the test was not delivered")


def _add_rules(*parsers: ArgumentParser) -> None:
    for parser in parsers:
        parser.add_argument("name", help="yours for it: phone")
        parser.add_argument("--events", metavar="NAME,…", help="what is told, as `notices events` lists it")
        parser.add_argument("--digest", choices=DIGESTS)
        parser.add_argument("--digest-at", metavar="HH:MM", help="when the daily digest goes")
        parser.add_argument("--quiet", metavar="HH:MM-HH:MM", help="hours without notices; empty: none")
        for key, on, off in (("enabled", "on", "off"), ("urgent_breaks_quiet", "urgent-at-once", "urgent-waits")):
            parser.add_argument(f"--{on}", dest=key, action="store_true", default=None)
            parser.add_argument(f"--{off}", dest=key, action="store_false", default=None)


def _changes(options: dict[str, Any]) -> dict[str, Any]:
    keys = ("enabled", "digest", "digest_at", "quiet", "urgent_breaks_quiet")
    changes = {key: options[key] for key in keys if options[key] is not None}
    if options["events"] is not None:
        changes["events"] = [name.strip() for name in options["events"].split(",") if name.strip()]
    return changes


def _spell(outcome: Any) -> str:
    return f"{datetime.fromtimestamp(outcome.time, UTC):%Y-%m-%d %H:%M}" if outcome else "--"
