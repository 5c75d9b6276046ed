"""`manage.py vault push ID ZONE`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.management.foreground import asker, shown_progress
from vault.zones.moving import push_to_zone


def add(actions: Any) -> None:
    parser = actions.add_parser("push", help="bring an asset to another machine's branch officer")
    parser.add_argument("asset", metavar="ID|PATH", help="of the vault, or a folder or file of this machine")
    parser.add_argument("zone", metavar="ZONE")
    parser.add_argument("--to", default="", metavar="FOLDER", help="below the officer's folder; default: its usual one")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    with shown_progress() as progress:
        moved = push_to_zone(
            options["asset"], options["zone"], destination=options["to"], by=asker(), progress=progress
        )  # fmt: skip
    if options["json"]:
        write_json(stdout, moved)
    else:
        stdout.write(moved.message)
