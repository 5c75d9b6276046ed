"""`manage.py ledger list`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper
from rich.table import Table

from guild.champion import crown
from guild.management.tables import as_text
from realm.branch_rows import branches_of
from realm.checkpoints import branches
from realm.management.as_json import write_json
from vault.ledger.entries import LedgerEntry, record
from vault.management.ledger.choosing import add_common, ledger_of


def add(verbs: Any) -> None:
    parser = verbs.add_parser("list", help="every checkpoint, newest first")
    parser.add_argument("--limit", type=int, default=20, help="0: all (default 20)")
    add_common(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    ledger = ledger_of(options)
    entries = ledger.list_all(limit=options["limit"] or None)
    if options["json"]:
        write_json(stdout, [record(entry) for entry in entries])
        return
    known = branches_of(ledger.hero)
    line, champions = known.line(), crown.holders(settings.WORLD, ledger.hero)
    table = Table("", "checkpoint", "branch", "loss", "validation", "quest", "")
    for entry in entries:
        left = "" if line.holds(entry.branch, entry.step, entry.canonical_name) else "left"
        losses = (loss(entry.train_loss), f"{loss(entry.val_loss)}{over(entry)}")
        table.add_row(
            left,
            entry.canonical_name,
            entry.branch or "1",
            *losses,
            entry.quest,
            _marks(entry, entry.canonical_name in champions),
        )
    stdout.write(as_text(table) if entries else f"{ledger.hero} has no checkpoint yet.")
    if known.branches:
        stdout.write(f"{ledger.hero} is on {branches.title(known.active)} of {len(known.names)}.")


def _marks(entry: LedgerEntry, is_champion: bool) -> str:
    marks = {"champion": is_champion, "protected": entry.protected, "weights only": entry.weights_only}
    return ", ".join(name for name, holds in marks.items() if holds)


def over(entry: LedgerEntry) -> str:
    """Losses over different sets do not compare."""
    said = entry.val_set
    return f" over {said['name']} ({said['rows']} rows, {said['sha256'][:8]})" if said else ""


def loss(value: float | None) -> str:
    return "--" if value is None else f"{value:.4g}"
