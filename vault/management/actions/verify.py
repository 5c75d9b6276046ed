"""`manage.py vault verify ID [--at NAME]`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.assets.resolving import resolve
from vault.copies.locating import copies_of
from vault.errors import VaultError
from vault.keeper import VaultKeeper
from vault.management.foreground import asker, shown_progress


def add(actions: Any) -> None:
    parser = actions.add_parser("verify", help="read every byte of an asset's copies")
    parser.add_argument("asset_id", metavar="ID", help="such as checkpoint_175000, or a step")
    parser.add_argument("--at", default="", metavar="NAME", help="of this stronghold alone; local is this world")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    keeper = VaultKeeper(by=asker())
    asset = resolve(keeper.world, options["asset_id"])
    chosen = [keeper.copy_at(asset.asset_id, options["at"])] if options["at"] else copies_of(keeper.world, asset)
    reasons: dict[str, str] = {}
    with shown_progress(asset.size_bytes) as progress:
        for location in chosen:
            try:
                keeper.verify_copy(location, progress=progress)
                reasons[str(location)] = ""
            except VaultError as error:
                reasons[str(location)] = str(error)
    if options["json"]:
        write_json(stdout, [{"copy": copy, "right": not why, "reason": why} for copy, why in reasons.items()])
    else:
        for copy, why in reasons.items():
            stdout.write(f"{'wrong' if why else 'right':<7}{copy}{why and f': {why}'}")
    if any(reasons.values()) or not reasons:
        raise CommandError(f"not every copy of {asset.asset_id} is right" if reasons else "there is no copy")
