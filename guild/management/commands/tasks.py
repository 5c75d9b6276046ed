"""`manage.py tasks list|available|status|run|set`."""

from __future__ import annotations

import difflib
import sys
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from guild.errors import GuildError
from guild.skills.registry import list_skills
from guild.tasks import by_hand, gpus, registry, selectors
from guild.tasks.selectors import TaskRow
from guild.tasks.state import AllStates
from guild.tasks.task_settings import OF_SKILLS, kind_and_skill, save_tasks
from realm.config import parse_pairs
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig

WIDE = 200
EFFECT = "The Task Master hears of it by itself."


class Command(BaseCommand):
    help = "Show background tasks and when they run; what became of them, and settings of each."

    def add_arguments(self, parser: CommandParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for action, text in (
            ("list", "every task, its settings, and why it does not run now"),
            ("available", "those that could begin now; measures and asks for itself"),
            ("status", "what became of each"),
        ):
            listing = actions.add_parser(action, help=text)
            add_json(listing)
            if action == "available":
                listing.add_argument(
                    "--gpu", metavar="NAME", help="only those that need it: a host, the name in its device, or `none`"
                )
        run = actions.add_parser("run", help="one now, in the foreground; its exit code is this command's")
        run.add_argument("name")
        change = actions.add_parser("set", help="put settings into the world's config.yaml")
        change.add_argument(
            "name", help="a task, `sparring`, `large_sparring` or `generate` for all skills, `all` for idle_percent"
        )
        change.add_argument("keys", nargs="+", metavar="KEY=VALUE", help="enabled, priority, cooldown_seconds, …")
        add_json(change)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            match options["action"]:
                case "list" | "status" if options["json"]:
                    seen = selectors.overview(settings.WORLD, settings.REALM)
                    write_json(self.stdout, {"tasks": seen.tasks, "notes": seen.notes})
                case "list":
                    self._list()
                case "available":
                    self._available(options["gpu"], as_json=options["json"])
                case "status":
                    self._status()
                case "run":
                    self._run(options["name"])
                case "set":
                    self._set(options["name"], options["keys"], as_json=options["json"])
        except (GuildError, BadConfig) as error:
            raise CommandError(str(error)) from error

    def _list(self) -> None:
        seen = selectors.overview(settings.WORLD, settings.REALM)
        table = Table("task", "priority", "resource", "cooldown", "timeout", "next", "why not now")
        for row in seen.tasks:
            task = row.task
            table.add_row(
                task.name, str(task.priority), task.resource, f"{task.cooldown_seconds:.0f} s",
                f"{task.timeout_seconds:.0f} s", _clock(row.due_at), escape(_now(row)),
            )  # fmt: skip
        self._print(table)
        for note in seen.notes:
            self.stdout.write(note)

    def _available(self, gpu: str | None, *, as_json: bool) -> None:
        tasks = selectors.all_tasks(settings.WORLD, settings.REALM, AllStates())
        wanted = None if gpu is None else gpus.needing(settings.WORLD, settings.REALM, tasks, gpu)
        every = selectors.available(settings.WORLD, settings.REALM)
        found = [(task, wait) for task, wait in every if wanted is None or task.name in wanted]
        if as_json:
            write_json(self.stdout, [{"task": task, "wait": wait} for task, wait in found])
            return
        table = Table("task", "could begin", "why not")
        for task, wait in found:
            table.add_row(task.name, "no" if wait else "yes", escape(wait.why) if wait else "")
        self._print(table)

    def _status(self) -> None:
        table = Table("task", "last run", "took", "result", "exit code", "runs", "it said")
        for row in selectors.overview(settings.WORLD, settings.REALM).tasks:
            last = row.last
            if last is None:
                table.add_row(row.task.name, "--", "--", _now(row) if row.running else "never ran", "--", "0", "")
                continue
            code = "--" if last.exit_code is None else str(last.exit_code)
            table.add_row(
                row.task.name, _clock(last.started_at), f"{last.seconds:.1f} s",
                _now(row) if row.running else last.outcome, code, str(row.runs), escape(last.said),
            )  # fmt: skip
        self._print(table)

    def _run(self, name: str) -> None:
        task = selectors.find_task(settings.WORLD, settings.REALM, name)
        if task is None:
            raise _unknown(name, _names())
        sys.exit(by_hand.run_now(settings.WORLD, task))

    def _set(self, name: str, pairs: list[str], *, as_json: bool) -> None:
        of_skills = [one.replace("SKILL", skill) for one in OF_SKILLS for skill in list_skills()]  # that are down, too
        known = [*_names(), *of_skills, "sparring", "large_sparring", "generate", "all"]
        name = selectors.own_name(name)
        if name not in known:
            raise _unknown(name, known)
        keys, file = parse_pairs(pairs), settings.WORLD.home / "config.yaml"
        save_tasks(settings.WORLD, {"" if name == "all" else name: keys})
        if as_json:
            write_json(self.stdout, {"task": name, "keys": keys, "file": file})
        else:
            self.stdout.write(f"{name}: {', '.join(pairs)} stands in {file}. {EFFECT}")

    def _print(self, table: Table) -> None:
        # Piped into another program a table must not be cut to the width of a terminal that is not there.
        console = Console() if self.stdout.isatty() else Console(width=WIDE)
        with console.capture() as text:
            console.print(table)
        self.stdout.write(text.get())


def _names() -> list[str]:
    return [task.name for task in selectors.all_tasks(settings.WORLD, settings.REALM, AllStates())]


def _unknown(name: str, known: list[str]) -> GuildError:
    """With those that one may type from memory; of skills and runs there may be hundreds."""
    close = difflib.get_close_matches(name.lower(), known, n=1)
    meant = f"; did you mean {close[0]!r}?" if close else ""
    own = [one for one in known if not one.startswith(registry.RUN_PREFIX) and not kind_and_skill(one)[1]]
    every = ", ".join(sorted({*own, *OF_SKILLS}))
    return GuildError(f"There is no task {name!r}; there are {every}, and those of `manage.py tasks list`{meant}")


def _now(row: TaskRow) -> str:
    return f"runs since {_clock(row.running.started_at)}" if row.running else row.why_not


def _clock(moment: float | None) -> str:
    """In the time of this machine; with the day where it is not today."""
    if moment is None:
        return "--"
    then = datetime.fromtimestamp(moment)
    return then.strftime("%H:%M:%S" if then.date() == datetime.now().date() else "%Y-%m-%d %H:%M")
