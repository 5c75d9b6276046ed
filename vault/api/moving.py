"""Copies on their way: `/api/fetch`, `/api/transfer`, `/api/register`, `/api/scan`.

Paths are names in this world, never ones outside it; what moves is a job, which pages show and anybody can cancel.
"""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.http import HttpRequest
from ninja import Router

from realm import strict
from realm.management.as_json import plain
from vault.api import pages, paths
from vault.api.asking import DEFAULT_WAIT_SECONDS, JobAnswer, Liberal, Wait, by, checked_id, finished, known_id
from vault.assets.manifest import is_safe_path
from vault.errors import Refused
from vault.jobs import kinds, queue
from vault.keeper import VaultKeeper
from vault.strongholds.registry import StorageRegistry
from vault.zones.directory import find as find_zone

router = Router()
JOB = {200: JobAnswer, 202: JobAnswer}
HERE = ("", "local", "here")


class Fetch(Liberal):
    other_names: ClassVar = {
        "id": "asset_id", "dest_path": "destination", "path": "destination", "local_path": "destination",
    }  # fmt: skip

    asset_id: str
    destination: str = ""
    """A name below `vault/fetched/` of the world; empty: the asset's own."""
    wait: Wait = DEFAULT_WAIT_SECONDS


class Transfer(Liberal):
    other_names: ClassVar = {
        "id": "asset_id", "asset_path": "path", "source_path": "path", "target_zone": "to", "to_zone": "to",
        "zone": "to", "target": "to", "source_zone": "from_zone", "source": "from_zone", "from": "from_zone",
        "dest_path": "destination",
    }  # fmt: skip

    asset_id: str = ""
    path: str = ""
    """Of a copy in this world, in place of its id."""
    to: str = ""
    """Zone or stronghold; empty: this world."""
    from_zone: str = ""
    destination: str = ""
    wait: Wait = DEFAULT_WAIT_SECONDS


class Register(Liberal):
    other_names: ClassVar = {"asset_path": "path", "source_path": "path", "type": "kind", "asset_type": "kind"}

    path: str
    kind: str | None = None
    asset_id: str | None = None


class Scan(Liberal):
    other_names: ClassVar = {"directory": "path", "base_dir": "path"}

    path: str = ""
    """A folder of this world; the whole is looked through in any case."""
    wait: Wait = DEFAULT_WAIT_SECONDS


@router.post("/fetch", response=JOB)
def fetch(request: HttpRequest, body: Fetch) -> Any:
    """Bring the best copy here, every byte verified; it appears whole or not at all."""
    asset_id = known_id(body.asset_id)
    if body.destination:
        kinds.fetched_path(settings.WORLD, body.destination)
    job = queue.add(kind="fetch", asset_id=asset_id, destination=body.destination, by=by(request))
    return finished(job, seconds=body.wait)


@router.post("/transfer", response=JOB)
def transfer(request: HttpRequest, body: Transfer) -> Any:
    """Copy an asset to a zone or stronghold, or from a zone to here."""
    to, source = ("" if name in HERE else name for name in (body.to, body.from_zone))
    if bool(to) == bool(source):
        raise ValueError("name either the zone that it goes to, or the one that it comes from: the other is this world")
    if body.destination and not is_safe_path(body.destination):
        raise Refused(
            f"destination: {strict.shown(body.destination)} is not allowed; allowed is a path below the zone's"
        )
    if (to or source) not in StorageRegistry(settings.WORLD.home).list():
        find_zone(settings.WORLD, to or source)
    asset_id = _asset_of(body)
    job = queue.add(
        kind="push" if to else "pull",
        asset_id=known_id(asset_id) if to else asset_id,
        source=source,
        destination=to or body.destination,
        options={"destination": body.destination} if to and body.destination else {},
        by=by(request),
    )
    return finished(job, seconds=body.wait)


@router.post("/register", response=pages.Entry)
def register(request: HttpRequest, body: Register) -> Any:
    """Make a file or folder that lies in this world an asset."""
    path = paths.in_world(settings.WORLD, body.path)
    asset_id = None if body.asset_id is None else checked_id(body.asset_id)
    found = VaultKeeper(settings.WORLD, by=by(request)).register(path, kind=body.kind, asset_id=asset_id)
    return {"success": True, **plain(found)}


@router.post("/scan", response=JOB)
def scan(request: HttpRequest, body: Scan | None = None) -> Any:
    """Make the catalogue equal to what lies here and on every stronghold that answers."""
    asked = body or Scan()
    if asked.path:
        paths.in_world(settings.WORLD, asked.path)
    return finished(queue.add(kind="scan", by=by(request)), seconds=asked.wait)


def _asset_of(body: Transfer) -> str:
    if bool(body.asset_id) == bool(body.path):
        raise ValueError("asset_id or asset_path is missing; give one of them")
    return checked_id(body.asset_id) if body.asset_id else paths.asset_at(settings.WORLD, body.path)
