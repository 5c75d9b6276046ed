"""`manage.py weave`: start, mend, show and stop every service of this world."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser

from realm import fresh_config, newer_world
from realm.databases.database import make_ready
from realm.management.as_json import add_json, write_json
from realm.newer_world import NewerWorld
from realm.weaver import WeaverError, orders, systemd_units
from realm.weaver import verbs as weave
from realm.weaver.orders import ServiceOrder
from realm.weaver.supervisord import ServiceState
from realm.web import login


class Command(BaseCommand):
    help = "Check all services and start what does not run; with --daemon the same from nothing, migrations first."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_mutually_exclusive_group()
        verbs.add_argument("--daemon", action="store_true", help="start everything and return when the Tavern answers")
        verbs.add_argument("--status", action="store_true", help="show every service; exit code 1 if one does not run")
        verbs.add_argument(
            "--stop", nargs="?", const="", metavar="SERVICE", help="stop everything, or one service, saving first"
        )
        verbs.add_argument("--start", metavar="SERVICE", help="start one service of a realm that runs")
        verbs.add_argument("--restart", metavar="SERVICE", help="end one service, saving first, and start it again")
        verbs.add_argument("--prepare", action="store_true", help="make settings and database ready, start nothing")
        verbs.add_argument("--systemd", metavar="DIR", help="write units for systemd, which then runs the services")
        parser.add_argument("--user", action="store_true", help="with --systemd: units for one user's own systemd")
        add_json(parser, goes_with="--status")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["user"] and not options["systemd"]:
            raise CommandError("--user is of --systemd alone")
        try:
            if options["status"]:
                self._status(as_json=options["json"])
            elif options["prepare"]:
                prepare()
            elif options["systemd"]:
                self._write_units(Path(options["systemd"]).expanduser(), user=options["user"])
            elif options["stop"] == "":
                self._stop()
            elif given := [(order, options[order]) for order in ServiceOrder if options[order]]:
                ((order, name),) = given
                self.stdout.write(f"{orders.give(settings.WORLD, settings.REALM, name, order, wait=True)}.")
            else:
                self._mend()
        except (WeaverError, NewerWorld) as error:
            raise CommandError(str(error)) from error

    def _mend(self) -> None:
        newer_world.check(settings.WORLD)
        mended = weave.mend(settings.WORLD, settings.REALM, prepare=prepare)
        for name in mended.ended_orphans:
            self.stdout.write(f"{name} had lost its supervisor and was ended cleanly")
        for name in mended.adopted:
            self.stdout.write(f"{name} had lost its supervisor and goes on under the new one")
        for name in mended.started:
            self.stdout.write(f"{name} started")
        for name, why in mended.not_started.items():
            self.stdout.write(f"{name} is not started: {why}")
        if not (mended.started or mended.not_started or mended.adopted):
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

    def _write_units(self, folder: Path, *, user: bool) -> None:
        try:
            written = systemd_units.write(settings.WORLD, settings.REALM, folder, user=user)
        except OSError as error:
            raise CommandError(f"the units cannot be written into {folder}: {error.strerror}") from error
        for path in written:
            self.stdout.write(str(path))
        systemctl = "systemctl --user" if user else "systemctl"
        where = "~/.config/systemd/user" if user else "/etc/systemd/system"
        target = f"{systemd_units.prefix_of(settings.WORLD)}.target"
        self.stdout.write(f"Copy them to {where}, then: {systemctl} daemon-reload && {systemctl} enable --now {target}")

    def _stop(self) -> None:
        stopped = weave.stop(settings.WORLD, settings.REALM)
        self.stdout.write(f"Stopped: {', '.join(stopped)}." if stopped else "Nothing was running.")


def prepare() -> None:
    """Raises WeaverError where other machines would reach pages that nobody could log in to."""
    fresh_config.write(settings.WORLD)
    make_ready(settings.WORLD)
    if why := login.lack_of_account(settings.REALM):
        raise WeaverError(why)


def table(states: list[ServiceState]) -> str:
    width = max(10, *(len(state.name) for state in states))
    lines = [f"{'service':<{width}} {'pid':>8}  {'state':<9} {'uptime':<9} health"]
    for state in states:
        uptime = "-" if state.uptime_seconds is None else str(timedelta(seconds=state.uptime_seconds))
        health = ", ".join(
            filter(None, [state.health, _restarts(state), state.run_by and f"by {state.run_by}", state.why])
        )
        row = f"{state.name:<{width}} {state.pid or '-':>8}  {state.state.lower():<9} {uptime:<9} {health or '-'}"
        lines += [row, *(f"    {line}" for line in state.lines)]
    return "\n".join(lines)


def _restarts(state: ServiceState) -> str:
    return f"{state.restarts} restart{'s' if state.restarts > 1 else ''}" if state.restarts else ""
