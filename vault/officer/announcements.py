"""What a caller says of something that it is about to send: `/receive`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from realm import strict
from vault.assets import ids, manifest
from vault.assets.manifest import Manifest
from vault.errors import Refused
from vault.officer import destinations, wire

_NAMES = {
    "asset_id": ("asset_id", "id"),
    "kind": ("asset_type", "type", "kind"),
    "destination": ("destination", "dest_path", "destination_path", "target_path"),
    "sender": ("sender",),
}
"""By which each thing is called, by one caller or another."""


@dataclass(frozen=True, kw_only=True)
class Announcement:
    asset_id: str
    destination: str = ""
    """Empty: where such things lie here."""
    sender: str = ""
    """Whoever it is; the same for all requests of one transfer."""
    manifest: Manifest | None = None


def read(body: bytes) -> Announcement:
    """Raises Refused."""
    try:
        said = wire.decode(body)
    except (ValueError, RecursionError):
        raise Refused("the body is no JSON") from None
    if not isinstance(said, dict):
        raise Refused("the body is no mapping")
    told = {name: _text(said, names) for name, names in _NAMES.items()}
    sent = None if said.get("manifest") is None else manifest.parse(said["manifest"], source="manifest")
    asset_id = told["asset_id"] or (sent.asset_id if sent else "")
    if not ids.is_asset_id(asset_id):
        raise Refused(f"asset_id {strict.shown(asset_id)} is none")
    if sent is not None and sent.asset_id != asset_id:
        raise Refused(f"asset_id {asset_id} is not that of the manifest, {sent.asset_id}")
    if told["kind"] and told["kind"] != ids.kind_of(asset_id):
        raise Refused(f"asset_type {strict.shown(told['kind'])} is not that of {asset_id}")
    return Announcement(
        asset_id=asset_id, destination=told["destination"], sender=told["sender"][:64], manifest=sent
    )  # fmt: skip


def target_of(base: Path, told: Announcement) -> Path:
    """Where it will lie. Raises Refused."""
    name = told.manifest.name if told.manifest else told.asset_id
    if told.destination:
        below = destinations.wanted(base, told.destination, name)
    elif told.manifest is not None:
        below = destinations.usual(base, told.manifest)
    else:
        below = PurePosixPath(ids.kind_of(told.asset_id)) / name
    return destinations.check_way(base, below)


def _text(said: dict[str, Any], names: tuple[str, ...]) -> str:
    for name in names:
        if said.get(name) is not None:
            if not isinstance(said[name], str):
                raise Refused(f"{name}: a text is expected, not {strict.shown(said[name])}")
            return str(said[name])
    return ""
