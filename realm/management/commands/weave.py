"""`manage.py weave`: start, mend, show and stop every service of this world."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from realm import fresh_config
from realm.database import make_ready
from realm.management.as_json import add_json, write_json
from realm.weaver import WeaverError, orders
from realm.weaver import verbs as weave
from realm.weaver.orders import ServiceOrder
from realm.weaver.supervisord import ServiceState


class Command(BaseCommand):
    help = "Check all services and start what does not run; with --daemon the same from nothing, migrations first."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_mutually_exclusive_group()
        verbs.add_argument("--daemon", action="store_true", help="start everything and return when the Tavern answers")
        verbs.add_argument("--status", action="store_true", help="show every service; exit code 1 if one does not run")
        verbs.add_argument(
            "--stop", nargs="?", const="", metavar="SERVICE", help="stop everything, or one service, saving first"
        )
        verbs.add_argument("--start", metavar="SERVICE", help="start one service of a realm that runs")
        verbs.add_argument("--restart", metavar="SERVICE", help="end one service, saving first, and start it again")
        add_json(parser, goes_with="--status")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["status"]:
                self._status(as_json=options["json"])
            elif options["stop"] == "":
                self._stop()
            elif given := [(order, options[order]) for order in ServiceOrder if options[order]]:
                ((order, name),) = given
                self.stdout.write(f"{orders.give(settings.WORLD, settings.REALM, name, order, wait=True)}.")
            else:
                self._mend()
        except WeaverError as error:
            raise CommandError(str(error)) from error

    def _mend(self) -> None:
        mended = weave.mend(settings.WORLD, settings.REALM, prepare=prepare)
        for name in mended.ended_orphans:
            self.stdout.write(f"{name} had lost its supervisor and was ended cleanly")
        for name in mended.started:
            self.stdout.write(f"{name} started")
        for name, why in mended.not_started.items():
            self.stdout.write(f"{name} is not started: {why}")
        if not (mended.started or mended.not_started):
            self.stdout.write("Everything runs already.")
        self.stdout.write(f"The Tavern is open: {weave.address(settings.REALM)}")
        if mended.not_started:
            sys.exit(1)

    def _status(self, *, as_json: bool) -> None:
        states = weave.status(settings.WORLD, settings.REALM)
        if as_json:
            write_json(self.stdout, states)
        else:
            self.stdout.write(table(states))
        if not all(state.runs for state in states):
            sys.exit(1)

    def _stop(self) -> None:
        stopped = weave.stop(settings.WORLD, settings.REALM)
        self.stdout.write(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def prepare() -> None:
    fresh_config.write(settings.WORLD)
    make_ready(settings.WORLD)


def table(states: list[ServiceState]) -> str:
    width = max(10, *(len(state.name) for state in states))
    lines = [f"{'service':<{width}} {'pid':>8}  {'state':<9} uptime"]
    for state in states:
        uptime = "-" if state.uptime_seconds is None else str(timedelta(seconds=state.uptime_seconds))
        why = f"  {state.why}" if state.why else ""
        lines.append(f"{state.name:<{width}} {state.pid or '-':>8}  {state.state.lower():<9} {uptime}{why}")
    return "\n".join(lines)
