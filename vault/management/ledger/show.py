"""`manage.py ledger show`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import write_json
from vault.ledger.entries import LedgerEntry, record
from vault.management.ledger.choosing import add_checkpoint, add_common, chosen


def add(verbs: Any) -> None:
    parser = verbs.add_parser("show", help="one checkpoint")
    add_checkpoint(parser)
    add_common(parser)
    parser.set_defaults(do=lambda stdout, options: write(stdout, chosen(options), as_json=options["json"]))


def write(stdout: OutputWrapper, entry: LedgerEntry, *, as_json: bool) -> None:
    told = record(entry)
    if as_json:
        write_json(stdout, told)
        return
    for key, value in told.items():
        stdout.write(f"{key:<15} {'--' if value is None else value}")
