"""`manage.py vault scan`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.assets.discovery import DiscoveryReport, VaultDiscovery


def add(actions: Any) -> None:
    parser = actions.add_parser(
        "scan", help="make the lists equal to the disk and to what strongholds have, and say what was different"
    )
    parser.add_argument("--here", action="store_true", help="ask no stronghold")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    discovery = VaultDiscovery(settings.WORLD)
    report = discovery.scan_local() if options["here"] else discovery.scan_all()
    if options["json"]:
        write_json(stdout, asdict(report.ledger) | asdict(report) | {"added": report.ledger.added})
    else:
        _print(stdout, report)
    if report.ledger.damaged:
        raise CommandError(f"damaged and therefore not listed: {len(report.ledger.damaged)}")


def _print(stdout: OutputWrapper, report: DiscoveryReport) -> None:
    for word in ("added", "updated", "falsified", "removed"):
        for line in getattr(report.ledger, word):
            stdout.write(f"{word:<10}{line}")
    for word in ("damaged", "gone"):
        for line in getattr(report, word):
            stdout.write(f"{word:<10}{line}")
    for name, why in report.silent.items():
        stdout.write(f"silent    {name}: {why}")
    stdout.write(f"{report.ledger.listed} checkpoints listed")
