"""`manage.py ledger list|show|best|go-on-from`."""

from __future__ import annotations

from argparse import ArgumentParser
from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from rich.table import Table

from arena import branch_orders
from arena import status as arena_status
from arena.branch_orders import CannotGoOn
from guild.management.tables import as_text
from realm import strict
from realm.branch_rows import branches_of
from realm.checkpoints import branches
from realm.config import load as load_config
from realm.management.as_json import add_json, write_json
from vault.ledger import Ledger, LedgerEntry, get_ledger


class Command(BaseCommand):
    help = "The hero's checkpoints; `go-on-from` lets it go on from an older one, as a branch: nothing is deleted."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        listing = actions.add_parser("list", help="every checkpoint, newest first")
        listing.add_argument("--limit", type=int, default=20, help="0: all (default 20)")
        showing = actions.add_parser("show", help="one checkpoint")
        showing.add_argument("checkpoint", help="its name, or its step, which means the active branch")
        best = actions.add_parser("best", help="the best one on the active branch")
        best.add_argument(
            "--metric",
            help="levels, val_loss, train_loss, accuracy, or a set such as bin/3, quest/NAME or file/NAME "
            "(default: champion_metric of the settings)",
        )
        going = actions.add_parser("go-on-from", help="let the hero go on from there; other branches stay as they are")
        going.add_argument("checkpoint", help="a checkpoint's name or step, or base: the base model")
        for action in (listing, showing, best, going):
            action.add_argument("--hero", help="default: the active one")
        for action in (listing, showing, best):
            add_json(action)

    def handle(self, *args: Any, action: str, **options: Any) -> None:
        ledger = get_ledger(options["hero"])
        if action == "list":
            self._list(ledger, limit=options["limit"] or None, as_json=options["json"])
        elif action == "go-on-from":
            self._go_on_from(ledger.hero, options["checkpoint"])
        else:
            found = _find(ledger, options["checkpoint"]) if action == "show" else _best(ledger, options["metric"])
            if found is None:
                raise CommandError(f"{ledger.hero} has no such checkpoint listed")
            self._show(found, as_json=options["json"])

    def _list(self, ledger: Ledger, *, limit: int | None, as_json: bool) -> None:
        entries = ledger.list_all(limit=limit)
        if as_json:
            write_json(self.stdout, entries)
            return
        known = branches_of(ledger.hero)
        line = known.line()
        table = Table("", "checkpoint", "branch", "loss", "validation", "quest")
        for entry in entries:
            mark = "" if line.holds(entry.branch, entry.step, entry.canonical_name) else "left"
            losses = (_loss(entry.train_loss), f"{_loss(entry.val_loss)}{_over(entry)}")
            table.add_row(mark, entry.canonical_name, entry.branch or "1", *losses, entry.quest)
        self.stdout.write(as_text(table) if entries else f"{ledger.hero} has no checkpoint yet.")
        if known.branches:
            self.stdout.write(f"{ledger.hero} is on {branches.title(known.active)} of {len(known.names)}.")

    def _show(self, entry: LedgerEntry, *, as_json: bool) -> None:
        if as_json:
            write_json(self.stdout, entry)
            return
        for key, value in asdict(entry).items():
            self.stdout.write(f"{key:<15} {'--' if value is None else value}")

    def _go_on_from(self, hero: str, wish: str) -> None:
        try:
            order = branch_orders.send(settings.WORLD, hero=hero, wish=wish, by="command line")
        except CannotGoOn as why:
            raise CommandError(str(why)) from why
        self.stdout.write(branch_orders.promise(order))
        if not arena_status.daemon_alive(settings.WORLD):
            self.stdout.write("The arena is not running; it will obey when it starts.")


def _find(ledger: Ledger, named: str) -> LedgerEntry | None:
    """A step means the active branch, as in every order."""
    step = strict.whole_number(named.removeprefix("checkpoint-"))
    if step is not None:
        return ledger.get(step)
    return next((entry for entry in ledger.list_all(limit=None) if entry.canonical_name == named), None)


def _best(ledger: Ledger, metric: str | None) -> LedgerEntry | None:
    try:
        return ledger.get_best(metric or load_config(settings.WORLD).champion_metric)
    except ValueError as error:  # an unknown metric, or settings that cannot be read
        raise CommandError(str(error)) from error


def _over(entry: LedgerEntry) -> str:
    """Losses over different sets do not compare."""
    over = entry.val_set
    return f" over {over['name']} ({over['rows']} rows, {over['sha256'][:8]})" if over else ""


def _loss(value: float | None) -> str:
    return "--" if value is None else f"{value:.4g}"
