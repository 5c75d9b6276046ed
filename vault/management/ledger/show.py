"""`manage.py ledger show`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

from realm.management.as_json import write_json
from vault.ledger.ancestry import Ancestry
from vault.ledger.describing import Description, describe
from vault.ledger.entries import LedgerEntry, record
from vault.management.ledger.choosing import add_checkpoint, add_common, chosen


def add(verbs: Any) -> None:
    parser = verbs.add_parser("show", help="one checkpoint")
    add_checkpoint(parser)
    add_common(parser)
    parser.set_defaults(do=lambda stdout, options: write(stdout, chosen(options), as_json=options["json"]))


def write(stdout: OutputWrapper, entry: LedgerEntry, *, as_json: bool) -> None:
    """Raises Damaged."""
    found = describe(settings.WORLD, entry)
    if as_json:
        write_json(stdout, found.record())
        return
    for key, value in record(entry).items():
        stdout.write(f"{key:<15} {'--' if value is None else value}")
    for key, told in _rest(found):
        stdout.write(f"{key:<15} {told}")


def _rest(found: Description) -> Iterator[tuple[str, str]]:
    yield "champion", "yes" if found.champion else "no"
    yield "mode", found.mode
    yield "comes from", _lineage(found.lineage)
    for one in found.evaluations:
        yield "answered", f"{one.skill} level {one.level}: {one.correct}/{one.total}"
    for copy in found.copies:
        verified = f"verified {copy.verified_at:%Y-%m-%d %H:%M}" if copy.verified_at else "never verified"
        yield "copy", f"{copy.stronghold}:{copy.path}, {copy.state}, {verified}"


def _lineage(lineage: Ancestry) -> str:
    gone = [f"{lineage.parent} (made room since)"] if lineage.parent_made_room else []
    more = [f"{lineage.more} before"] if lineage.more else []
    return " < ".join([*gone, *lineage.ancestors, *more, f"base model {lineage.base_model}"])
