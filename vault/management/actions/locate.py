"""`manage.py vault locate ID`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import CommandError, OutputWrapper

from realm.management.as_json import add_json, write_json
from vault.copies.locating import FoundLocation
from vault.keeper import VaultKeeper


def add(actions: Any) -> None:
    parser = actions.add_parser("locate", help="where all copies of an asset lie, the best one first")
    parser.add_argument("asset_id", metavar="ID", help="such as checkpoint_175000 or model_qwen3_0.6b, or a step")
    add_json(parser)
    parser.set_defaults(do=perform)


def perform(stdout: OutputWrapper, options: dict[str, Any]) -> None:
    found = VaultKeeper().locate(options["asset_id"])
    if options["json"]:
        write_json(stdout, found)
    else:
        for location in found.locations:
            stdout.write(line_of(location))
    if not found.found:
        raise CommandError(found.message)


def line_of(location: FoundLocation) -> str:
    verified = f"verified {location.verified_at:%Y-%m-%d %H:%M}" if location.verified_at else "never verified"
    state = verified if location.is_present else f"{location.state}: {location.reason}"
    return f"{location.stronghold:<16}{location.size_bytes:>15,} bytes  {location.path}  {state}"
