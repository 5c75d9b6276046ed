"""`manage.py ledger best`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.config import load as load_config
from vault.errors import NotFound
from vault.ledger.entries import LedgerEntry
from vault.ledger.local import Ledger
from vault.management.ledger import show
from vault.management.ledger.choosing import add_common, ledger_of


def add(verbs: Any) -> None:
    parser = verbs.add_parser("best", help="the best one on the active branch")
    parser.add_argument(
        "--metric",
        help="levels, val_loss, train_loss, accuracy, or a set such as bin/3, quest/NAME or file/NAME "
        "(default: champion_metric of the settings)",
    )
    add_common(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    ledger = ledger_of(options)
    found = _best(ledger, options["metric"])
    if found is None:
        raise NotFound(f"{ledger.hero} has no checkpoint yet that was measured by it")
    show.write(stdout, found, as_json=options["json"])


def _best(ledger: Ledger, metric: str | None) -> LedgerEntry | None:
    try:
        return ledger.get_best(metric or load_config(settings.WORLD).champion_metric)
    except ValueError as error:  # an unknown metric, or settings that cannot be read
        raise CommandError(str(error)) from error
