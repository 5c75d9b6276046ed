"""`manage.py vault scan`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.index import ScanReport, scan


def add(actions: Any) -> None:
    parser = actions.add_parser("scan", help="make the list equal to the disk and say what was different")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    report = scan(settings.WORLD)
    if options["json"]:
        write_json(stdout, report)
    else:
        _print(stdout, report)
    if report.damaged:
        raise CommandError(f"damaged and therefore not listed: {len(report.damaged)}")


def _print(stdout: OutputWrapper, report: ScanReport) -> None:
    for word in ("added", "updated", "falsified", "removed", "damaged", "chronicle"):
        for line in getattr(report, word):
            stdout.write(f"{word:<10}{line}")
    stdout.write(f"{report.listed} checkpoints listed")
