"""`manage.py source list|add|remove|show|look|queue`."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from arena import source_orders
from arena import status as arena_status
from arena.preview.terminal import visible
from arena.queue.asking import Wanted
from arena.reports import training_sources
from arena.reports.training_sources import Source
from arena.sources import folders, taking
from arena.sources import records as source_records
from arena.sources.folders import BadSource
from arena.sources.inspecting import in_words
from arena.sources.records import Records
from realm.disk.mailbox import wait_until_obeyed
from realm.management.as_json import add_json, write_json
from realm.world import PRIORITIES

TIMEOUT_SECONDS = 5.0
MOST_SHOWN = 1000


class Command(BaseCommand):
    help = "What can be trained on; the realm's own sources and your folders."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        add_json(actions.add_parser("list", help="all sources, with counts and what the gatekeepers know"))
        add = actions.add_parser("add", help="register a folder of yours; nothing in it is ever changed")
        add.add_argument("name", metavar="NAME")
        add.add_argument("folder", type=Path, metavar="FOLDER")
        remove = actions.add_parser("remove", help="forget a folder; its files stay")
        remove.add_argument("name", metavar="NAME")
        show = actions.add_parser("show", help="the files of a source, each with its state")
        show.add_argument("name", metavar="NAME")
        add_json(show)
        look = actions.add_parser("look", help="let the gatekeepers look at files, which stay where they are")
        queue = actions.add_parser("queue", help="copy files into the queue")
        for chosen in (look, queue):
            chosen.add_argument("name", metavar="NAME")
            chosen.add_argument("files", nargs="*", metavar="FILE", help="within the folder (default: all)")
        queue.add_argument("--priority", choices=PRIORITIES, default="normal")
        queue.add_argument("--hold", action="store_true", help="not to be fought before they are released")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"_{options['action']}")(options)
        except BadSource as error:
            raise CommandError(str(error)) from error

    def _list(self, options: dict[str, Any]) -> None:
        if options["json"]:
            write_json(self.stdout, training_sources.all_sources(settings.WORLD))
            return
        table = Table("source", "files", "bytes", "rows", "known", "where")
        for source in training_sources.all_sources(settings.WORLD):
            rows = "--" if source.rows is None else str(source.rows)
            known = _known(source)
            table.add_row(*_plain(source.name, source.files, source.size_bytes, rows, known, source.folder))
        self._print(table)

    def _add(self, options: dict[str, Any]) -> None:
        path = folders.register(settings.WORLD, options["name"], str(options["folder"].absolute()))
        found = training_sources.of_folder(settings.WORLD, options["name"])
        self.stdout.write(visible(f"{path} is registered as {options['name']}: {found.files} files. {found.trouble}"))

    def _remove(self, options: dict[str, Any]) -> None:
        training_sources.check_own(options["name"])
        folder = folders.remove(settings.WORLD, options["name"])
        source_orders.withdraw(settings.WORLD, options["name"])
        others = list(folders.folders(settings.WORLD).values())
        source_records.forget_folder(settings.WORLD, folder, still_known=others)
        self.stdout.write(visible(f"{options['name']} is no longer a source; {folder} is as it was."))

    def _show(self, options: dict[str, Any]) -> None:
        name = options["name"]
        if options["json"]:
            write_json(self.stdout, _document(name))
        elif name == "skills":
            self._show_skills()
        elif name in ("queue", "completed"):
            table = Table("id", "quest", "state", "rows", "bytes")
            for quest in training_sources.quests_of(name)[:MOST_SHOWN]:
                table.add_row(*_plain(quest.pk, quest.name, quest.state, quest.rows, quest.size_bytes))
            self._print(table)
        else:
            self._show_files(name)

    def _show_skills(self) -> None:
        table = Table("skill", "level", "parameters", "problems", "for example")
        for source in training_sources.skills():
            for level in source.levels:
                samples = "\n".join(f"{problem.prompt} → {problem.answer}" for problem in level.samples)
                problems = "--" if level.problems is None else f"{level.problems:,}"
                table.add_row(*_plain(source.skill.title, level.number, level.parameters, problems), escape(samples))
        self._print(table)

    def _show_files(self, name: str) -> None:
        world = settings.WORLD
        inbox = name == "inbox"
        files = folders.files_in(world.inbox) if inbox else training_sources.files_of(world, name)
        records = Records(world)
        table = Table("file", "bytes", "state")
        for file in files.found[:MOST_SHOWN]:
            found = records.of(file)
            changed = " (the file has changed since)" if found.stale else ""
            state = "it goes into the queue by itself" if inbox else f"{in_words(found)}{changed}"
            table.add_row(*_plain(file.name, file.size_bytes, state))
        self._print(table)
        if len(files.found) > MOST_SHOWN:
            self.stdout.write(f"… and {len(files.found) - MOST_SHOWN} more")
        if not inbox and (trouble := training_sources.of_files(world, name, files, records).trouble):
            self.stdout.write(visible(trouble))

    def _look(self, options: dict[str, Any]) -> None:
        names = self._chosen(options)
        try:
            order = source_orders.send(settings.WORLD, source=options["name"], files=names, by="command line")
        except ValueError as error:
            raise CommandError(f"{error}; name the files") from error
        if not arena_status.daemon_alive(settings.WORLD):
            self.stdout.write("The arena is not running; the gatekeepers will look when it starts.")
            return
        if not wait_until_obeyed(order, TIMEOUT_SECONDS):
            self.stdout.write(f"The gatekeepers are at it; `source show {options['name']}` says how far they are.")
            return
        folder = folders.folder_of(settings.WORLD, options["name"])
        for name in names[:MOST_SHOWN]:
            found = source_records.found_in(settings.WORLD, folders.find(folder, name))
            self.stdout.write(visible(f"{name}: {in_words(found)}"))

    def _queue(self, options: dict[str, Any]) -> None:
        names, priority = self._chosen(options), options["priority"]
        folder = folders.folder_of(settings.WORLD, options["name"])
        wanted = Wanted(by="command line", priority=priority, hold=options["hold"])
        taken = taking.take(settings.WORLD, folder, names, wanted=wanted)
        for path in taken.paths:
            self.stdout.write(visible(f"{path.name} goes to the gatekeepers, priority {priority}"))
        for trouble in taken.troubles:
            self.stderr.write(visible(trouble))
        if not arena_status.daemon_alive(settings.WORLD):
            self.stdout.write("The arena is not running; it will look at them when it starts.")
        if not taken.paths:
            raise CommandError("nothing was taken")

    def _chosen(self, options: dict[str, Any]) -> list[str]:
        """The named files, or all. Raises BadSource for one that is not there."""
        training_sources.check_own(options["name"])
        folder = folders.folder_of(settings.WORLD, options["name"])
        if options["files"]:
            return [folders.find(folder, name).name for name in options["files"]]
        names = [file.name for file in training_sources.files_of(settings.WORLD, options["name"]).found]
        if not names:
            raise BadSource(f"There is no quest file in {folder}.")
        return names

    def _print(self, table: Table) -> None:
        console = Console()
        with console.capture() as text:
            console.print(table)
        self.stdout.write(text.get())


def _document(name: str) -> Any:
    """Levels of each skill, quests, or files with what is known of them, all of them."""
    world = settings.WORLD
    if name == "skills":
        return [
            {"skill": source.skill.name, "title": source.skill.title, "levels": source.levels}
            for source in training_sources.skills()
        ]
    if name in ("queue", "completed"):
        return list(training_sources.quests_of("queue" if name == "queue" else "completed"))
    files = folders.files_in(world.inbox) if name == "inbox" else training_sources.files_of(world, name)
    records = Records(world)
    return [{"file": file.name, "size_bytes": file.size_bytes, "found": records.of(file)} for file in files.found]


def _plain(*values: object) -> list[str]:
    return [escape(visible(str(value))) for value in values]


def _known(source: Source) -> str:
    if source.gone:
        return "gone"
    told = [f"{count} {verdict}" for verdict, count in sorted((source.verdicts or {}).items())]
    told += [f"{source.stale} changed since"] if source.stale else []
    return ", ".join(told)
