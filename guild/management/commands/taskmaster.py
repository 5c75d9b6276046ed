"""`manage.py taskmaster --status|--once|--daemon|--run TASK`."""

from __future__ import annotations

import logging
import math
import signal
import sys
from argparse import ArgumentTypeError
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management import BaseCommand, CommandError, CommandParser, call_command

from guild.tasks import selectors
from guild.tasks.master import QUIET_SECONDS, TaskMaster
from guild.tasks.only_master import AnotherMaster, only_master
from guild.tasks.task_settings import Rules
from realm.config import load
from realm.logs.configuration import STARTED
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig

log = logging.getLogger(__name__)

LONGEST_INTERVAL = 3600.0


def _seconds(text: str) -> float:
    """Raises ArgumentTypeError."""
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds <= LONGEST_INTERVAL:
        raise ArgumentTypeError(f"{text!r} is not allowed; allowed is more than 0, at most {LONGEST_INTERVAL:.0f}")
    return seconds


class Command(BaseCommand):
    help = "Start background tasks; when the machine has nothing better to do."

    def add_arguments(self, parser: CommandParser) -> None:
        verbs = parser.add_mutually_exclusive_group(required=True)
        verbs.add_argument("--status", action="store_true", help="what it does; exit code 1 if it does not run")
        verbs.add_argument("--once", action="store_true", help="do what is due now, and end when that has ended")
        verbs.add_argument("--daemon", action="store_true", help="serve until SIGTERM or Ctrl+C; the weaver does this")
        verbs.add_argument("--run", metavar="TASK", help="this one now, whatever it waits for, as `tasks run` does")
        parser.add_argument(
            "--interval", type=_seconds, default=0.0, metavar="SECONDS",
            help="of a daemon: between two looks for what is due (default: at every tick)",
        )  # fmt: skip
        add_json(parser, goes_with="--status")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["status"]:
            self._status(as_json=options["json"])
            return
        if options["interval"] and not options["daemon"]:
            raise CommandError("--interval is of --daemon alone")
        if options["run"]:
            call_command("tasks", "run", options["run"], stdout=self.stdout)
            return
        try:
            with only_master(settings.WORLD):
                master = TaskMaster(
                    world=settings.WORLD,
                    config=settings.REALM,
                    reload_config=lambda: load(settings.WORLD, tasks=Rules),
                    quiet_seconds=QUIET_SECONDS if options["daemon"] else 0.0,
                    interval_seconds=options["interval"],
                )
                for number in (signal.SIGTERM, signal.SIGINT):
                    signal.signal(number, lambda *_: master.stop())
                if options["daemon"]:
                    log.info("the Task Master of %s begins", settings.WORLD.home, extra={"event": STARTED})
                    master.run()
                else:
                    done = master.run_once()
                    self.stdout.write(f"Done: {', '.join(done)}." if done else "Nothing was due.")
        except (AnotherMaster, BadConfig) as error:
            raise CommandError(str(error)) from error

    def _status(self, *, as_json: bool) -> None:
        told = selectors.master_status(settings.WORLD)
        if as_json:
            write_json(self.stdout, told)
            sys.exit(None if told.alive else 1)
        if not told.alive:
            self.stdout.write(f"{selectors.OFFLINE}; `weave` starts it")
            sys.exit(1)
        silent = " and has been silent for too long" if told.stale else ""
        self.stdout.write(f"master   process {told.pid} serves{silent}{f': {told.trouble}' if told.trouble else ''}")
        self.stdout.write(f"load     {load_of(told.idle)}")
        for running in told.running:
            since = datetime.fromtimestamp(running["started_at"]).strftime("%H:%M:%S")
            self.stdout.write(f"running  {running['name']} since {since}, process {running['pid']}")
        if told.next:
            due = datetime.fromtimestamp(told.next["due_at"]).strftime("%H:%M:%S")
            self.stdout.write(f"next     {told.next['name']} at {due}")


def load_of(idle: dict[str, Any]) -> str:
    percents = [("processors", idle.get("cpu_percent_of_others"))]
    percents += [(f"GPU {at}", percent) for at, percent in enumerate(idle.get("gpu_percents", []))]
    told = [f"{name} {'--' if percent is None else f'{percent:.0f}%'}" for name, percent in percents]
    battle = "; a battle is fought" if idle.get("battle_trains") else ""
    return f"{', '.join(told)}, without the tasks' own; idle below {idle.get('limit_percent', '--')}%{battle}"
