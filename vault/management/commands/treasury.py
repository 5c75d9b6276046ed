"""`manage.py treasury dry-run|apply|trash|undo|empty`: which checkpoints make room, and what can be put back."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.markup import escape
from rich.table import Table

from guild.champion import crown
from guild.management.tables import as_text
from realm.config import RealmConfig
from realm.config import load as load_config
from realm.management.as_json import add_json, write_json
from realm.strict import BadConfig
from vault.errors import VaultError
from vault.ledger import get_ledger
from vault.management.ledger import delete
from vault.sizes import size
from vault.treasury import safety, shelf, trash
from vault.treasury.rules import Rules
from vault.treasury.shelf import Shelf

BY = "command line"


class Command(BaseCommand):
    help = "Which checkpoints stay, are thinned or go by the rules; those under `treasury` of the settings."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        planning = actions.add_parser("dry-run", help="the shelf before and after; nothing is changed")
        applying = actions.add_parser("apply", help="do what dry-run shows")
        listing = actions.add_parser("trash", help="what can be put back")
        undoing = actions.add_parser("undo", help="put back what was deleted")
        undoing.add_argument("entry", nargs="?", help="as `trash` lists it; default: what was deleted last")
        emptying = actions.add_parser("empty", help="delete it for good")
        for action in (planning, applying):
            action.add_argument("--hero", help="default: the active one")
        for action in (planning, applying, listing, undoing, emptying):
            add_json(action)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        acts: dict[str, Callable[..., None]] = {
            "dry-run": self._plan,
            "apply": self._apply,
            "trash": self._trash,
            "undo": self._undo,
            "empty": self._empty,
        }
        try:
            acts[action](**options)
        except (VaultError, BadConfig) as error:
            raise CommandError(str(error)) from error

    def _plan(self, *, hero: str | None, json: bool, **_: Any) -> None:
        config, name = _config(), get_ledger(hero).hero
        planned = shelf.plan(settings.WORLD, config, name, loaded=safety.loaded_by_hosts(settings.WORLD, config))
        if json:
            write_json(self.stdout, planned)
            return
        self.stdout.write(_table(planned))
        self.stdout.write(_totals(planned))
        if lost := crown.lost_pin(settings.WORLD, name):
            self.stdout.write(lost)

    def _apply(self, *, hero: str | None, json: bool, **_: Any) -> None:
        config = _config()
        loaded = safety.loaded_by_hosts(settings.WORLD, config)
        applied = shelf.apply(settings.WORLD, config, get_ledger(hero).hero, by=BY, loaded=loaded)
        if json:
            write_json(self.stdout, applied)
            return
        for name in applied.deleted:
            self.stdout.write(f"deleted: {name}")
        for name in applied.thinned:
            self.stdout.write(f"keeps its weights alone: {name}")
        if applied.entry:
            self.stdout.write(f"Until the trash is emptied: manage.py treasury undo {applied.entry}")
        if applied.emptied:
            self.stdout.write(f"The trash was full: {', '.join(applied.emptied)} can no longer be put back.")
        if not (applied.deleted or applied.thinned or applied.emptied):
            self.stdout.write("Nothing must make room.")

    def _trash(self, *, json: bool, **_: Any) -> None:
        entries = trash.list_trash(settings.WORLD)
        if json:
            write_json(self.stdout, entries)
            return
        table = Table("entry", "hero", "deleted", "by", "size", "checkpoints", "why")
        for one in entries:
            names = ", ".join(one.checkpoints)
            table.add_row(
                *map(
                    escape,
                    (one.entry, one.hero, f"{one.moment:%Y-%m-%d %H:%M}", one.by, size(one.size_bytes), names, one.why),
                )
            )
        self.stdout.write(as_text(table) if entries else "The trash is empty.")

    def _undo(self, *, entry: str | None, json: bool, **_: Any) -> None:
        if entry is None:
            entries = trash.list_trash(settings.WORLD)
            if not entries:
                raise CommandError("the trash is empty")
            entry = entries[0].entry
        delete.undo(self.stdout, {"entry": entry, "json": json})

    def _empty(self, *, json: bool, **_: Any) -> None:
        emptied = trash.empty(settings.WORLD, by=BY)
        if json:
            write_json(self.stdout, emptied)
        else:
            self.stdout.write(f"{len(emptied.entries)} entries are gone for good, {size(emptied.size_bytes)}.")


def _config() -> RealmConfig:
    return load_config(settings.WORLD, treasury=Rules)


def _table(planned: Shelf) -> str:
    table = Table("checkpoint", "step", "branch", "size", "after", "it", "why")
    for book in planned.books:
        after = "" if book.after_bytes == book.size_bytes else size(book.after_bytes)
        cells = (book.name, str(book.step), book.branch or "1", size(book.size_bytes), after, book.fate)
        table.add_row(*cells, escape("; ".join(book.why)))
    return as_text(table) if planned.books else f"{planned.hero} has no checkpoint listed.\n"


def _totals(planned: Shelf) -> str:
    counts = ", ".join(f"{len(planned.named(fate))} {word}" for fate, word in _WORDS.items())
    return (
        f"{counts}: {size(planned.before_bytes)} now, {size(planned.after_bytes)} after. "
        f"{size(planned.free_bytes)} free on their disk, {size(planned.floor_bytes)} to leave; "
        f"{size(planned.trash_bytes)} in the trash."
    )


_WORDS = {shelf.Fate.STAYS: "stay", shelf.Fate.THINNED: "keep their weights alone", shelf.Fate.GOES: "go"}
