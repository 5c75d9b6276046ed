"""`manage.py vault rehearse`."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.archivist import rehearsing
from vault.archivist.rules import read_rules


def add(actions: Any) -> None:
    parser = actions.add_parser(
        "rehearse", help="restore one checkpoint of the newest snapshot, and hold it against its digests"
    )
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    found = rehearsing.rehearse(settings.WORLD, read_rules(settings.REALM.archivist))
    if options["json"]:
        write_json(stdout, found)
    else:
        stdout.write(
            f"{found.checkpoint} came back whole from {found.source} ({found.snapshot}): {found.bytes:,} bytes in "
            f"{found.seconds:.1f} s"
        )
