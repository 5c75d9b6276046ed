"""`manage.py vault fetch ID [PATH]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.assets.resolving import resolve
from vault.keeper import VaultKeeper, ask_vault_first
from vault.management.foreground import asker, shown_progress


def add(actions: Any) -> None:
    parser = actions.add_parser("fetch", help="bring an asset here, every byte held against its digest")
    parser.add_argument("asset_id", metavar="ID", help="such as checkpoint_175000, or a step")
    parser.add_argument("path", metavar="PATH", nargs="?", help="a name, or a folder to put it in; else into the world")
    parser.add_argument("--from", dest="source", default="", metavar="NAME", help="the stronghold (default: the best)")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    keeper = VaultKeeper(by=asker())
    asset = resolve(keeper.world, options["asset_id"])
    with shown_progress(asset.size_bytes) as progress:
        if options["path"] is None:
            path = ask_vault_first(asset.asset_id, by=keeper.by, source=options["source"], progress=progress)
            said: Any = {"success": True, "asset_id": asset.asset_id, "local_path": path}
        else:
            said = keeper.fetch(asset.asset_id, options["path"], source=options["source"], progress=progress)
            if said.error:
                raise said.error
            path = said.local_path
            said = {name: getattr(said, name) for name in _SHOWN}
    if options["json"]:
        write_json(stdout, said)
        return
    for message in said.get("messages", ()):
        stdout.write(f"passed over: {message}")
    stdout.write(path)


_SHOWN = ("success", "asset_id", "local_path", "source", "bytes_transferred", "messages")
