"""`manage.py vault copy ID --to NAME`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.assets.resolving import resolve
from vault.keeper import VaultKeeper
from vault.management.foreground import asker, shown_progress


def add(actions: Any) -> None:
    parser = actions.add_parser("copy", help="copy an asset of this world to a stronghold, and read it back there")
    parser.add_argument("asset_id", metavar="ID", help="such as checkpoint_175000, or a step")
    parser.add_argument("--to", required=True, metavar="NAME", help="a stronghold: `manage.py vault strongholds`")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    keeper = VaultKeeper(by=asker())
    asset = resolve(keeper.world, options["asset_id"])
    with shown_progress(asset.size_bytes) as progress:
        location = keeper.copy(asset.asset_id, options["to"], progress=progress)
    if options["json"]:
        write_json(stdout, location)
    else:
        stdout.write(f"{asset.asset_id} is at {location}, {location.size_bytes:,} bytes, each read back")
