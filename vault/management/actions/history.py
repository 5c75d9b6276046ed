"""`manage.py vault history`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

from realm.checkpoints.names import step_of
from realm.management.as_json import add_json, write_json
from vault import chronicle
from vault.assets.ids import checkpoint_id, short_checkpoint_id
from vault.models import HistoryEntry


def add(actions: Any) -> None:
    parser = actions.add_parser("history", help="who did what to which asset, newest first")
    parser.add_argument("asset", nargs="?", default="", help="an asset's id, a checkpoint's name or its step")
    parser.add_argument("--limit", type=int, default=50, help="so many lines (default: %(default)s)")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    found = chronicle.history(settings.WORLD, _asset_id(options["asset"]), limit=max(1, options["limit"]))
    if options["json"]:
        write_json(stdout, found)
        return
    for row in found:
        stdout.write(_line(row))
    if not found:
        stdout.write(f"nothing is known of {options['asset']}" if options["asset"] else "nothing was done yet")


def _asset_id(said: str) -> str:
    if said.isascii() and said.isdigit():
        return short_checkpoint_id(int(said))
    return checkpoint_id(str(settings.REALM.hero), said) if step_of(said) is not None else said


def _line(row: HistoryEntry) -> str:
    told = f", {row.details_text}" if row.details_text else ""
    return f"{row.time:%Y-%m-%d %H:%M:%S} {row.action:<11} {row.asset_id or '-'}  by {row.by}{told}"
