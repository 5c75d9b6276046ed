"""`manage.py vault pull ID ZONE [--to DIR]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.management.foreground import asker, shown_progress
from vault.zones.moving import pull_from_zone


def add(actions: Any) -> None:
    parser = actions.add_parser("pull", help="bring an asset of another machine's branch officer here")
    parser.add_argument("asset", metavar="ID|PATH", help="as that machine has it")
    parser.add_argument("zone", metavar="ZONE")
    parser.add_argument("--to", metavar="DIR", help="the folder to put it in; default: where the world has such things")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    with shown_progress() as progress:
        moved = pull_from_zone(options["asset"], options["zone"], options["to"], by=asker(), progress=progress)
    if options["json"]:
        write_json(stdout, moved)
    else:
        stdout.write(moved.message)
