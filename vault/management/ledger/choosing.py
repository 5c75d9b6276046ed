"""What the verbs of `manage.py ledger` have in common: whose ledger, and which checkpoint of it."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from realm.checkpoints.names import step_of
from realm.management.as_json import add_json
from vault.errors import NotFound
from vault.ledger.entries import LedgerEntry
from vault.ledger.local import Ledger, get_ledger

BY = "command line"


def add_common(parser: ArgumentParser) -> None:
    parser.add_argument("--hero", help="default: the active one")
    add_json(parser)


def add_checkpoint(parser: ArgumentParser, name: str = "checkpoint") -> None:
    parser.add_argument(name, help="its name, or its step, which means the active branch")


def ledger_of(options: dict[str, Any]) -> Ledger:
    return get_ledger(options["hero"])


def chosen(options: dict[str, Any], name: str = "checkpoint") -> LedgerEntry:
    """Raises NotFound."""
    ledger = ledger_of(options)
    found = ledger.find(options[name])
    if found is None:
        raise NotFound(f"{ledger.hero} has no such checkpoint listed: {options[name]}")
    return found


def named(options: dict[str, Any], wanted: str | None = None) -> tuple[str, str]:
    """Hero and name, also of one that is damaged and therefore not listed. Raises NotFound."""
    wanted = options["checkpoint"] if wanted is None else wanted
    if step_of(wanted) is not None:
        return ledger_of(options).hero, wanted
    found = chosen(options | {"checkpoint": wanted})
    return found.hero, found.canonical_name
