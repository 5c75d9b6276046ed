"""`manage.py vault drop ID --from NAME`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.keeper import VaultKeeper
from vault.management.foreground import asker, shown_progress


def add(actions: Any) -> None:
    parser = actions.add_parser(
        "drop", help="delete a copy in a stronghold, where another one was verified lately and is right still"
    )
    parser.add_argument("asset_id", metavar="ID", help="such as checkpoint_175000, or a step")
    parser.add_argument("--from", dest="source", required=True, metavar="NAME")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    keeper = VaultKeeper(by=asker())
    location = keeper.copy_at(options["asset_id"], options["source"])
    with shown_progress(location.asset.size_bytes) as progress:
        freed = keeper.drop_copy(location, progress=progress)
    if options["json"]:
        write_json(stdout, {"asset_id": location.asset.asset_id, "stronghold": location.stronghold, "bytes": freed})
    else:
        stdout.write(f"{location.asset.asset_id} is no longer at {location}; {freed:,} bytes were given back")
