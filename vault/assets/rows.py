"""Assets and copies as rows: written here alone, from what lies on a disk or in a stronghold."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from realm.world import World
from vault.assets import ids
from vault.assets.ids import CHECKPOINT, checkpoint_id, kind_of, parse_checkpoint_id
from vault.assets.manifest import Manifest
from vault.models import Asset, Checkpoint, HistoryEntry, Location
from vault.strongholds.contract import StoredAsset
from vault.strongholds.registry import LOCAL

_STEPS_AT_ONCE = 500
"""A database takes only so many values in one question."""


@transaction.atomic  # a scan that lists meanwhile forgets what has no copies
def asset_of_checkpoint(row: Checkpoint, *, verified_at: datetime | None = None) -> Asset:
    """The asset of a listed checkpoint, with its copy in this world.

    `verified_at`: when it was brought here, every byte held against its digest; else what its row says.
    """
    asset, _ = Asset.objects.update_or_create(
        asset_id=checkpoint_id(row.hero, row.name),
        defaults={
            "kind": CHECKPOINT,
            "name": row.name,
            "hero": row.hero,
            "step": row.step,
            "size_bytes": row.size_bytes,
            "manifest_sha256": row.sidecar_sha256,
            "created_at": row.created_at,
        },
    )
    put_location(
        asset,
        LOCAL,
        local_path(row),
        manifest_sha256=row.sidecar_sha256,
        size_bytes=row.size_bytes,
        verified_at=verified_at or row.verified_at,
    )
    return asset


def told_ids(whole_ids: Iterable[str]) -> dict[str, str]:
    """By whole id, what an asset is told as: the short id of a checkpoint where no other that is known has its step."""
    wanted = list(whole_ids)
    steps = sorted({found.step for each in wanted if (found := parse_checkpoint_id(each))})
    known = set(wanted)
    for start in range(0, len(steps), _STEPS_AT_ONCE):
        of_steps = {"step__in": steps[start : start + _STEPS_AT_ONCE]}
        known.update(Asset.objects.filter(kind=CHECKPOINT, **of_steps).values_list("asset_id", flat=True))
        listed = Checkpoint.objects.filter(**of_steps).values_list("hero", "name")
        known.update(checkpoint_id(hero, name) for hero, name in listed)
    told = ids.told_ids(known)
    return {each: told[each] for each in wanted}


def local_path(row: Checkpoint) -> str:
    """Of a checkpoint, below the world's folder."""
    return f"models/heroes/{row.hero}/{row.name}"


def asset_of_manifest(manifest: Manifest, created_at: datetime) -> Asset:
    """Of what lies in this world and is no checkpoint: it is as it is now."""
    asset, _ = Asset.objects.update_or_create(
        asset_id=manifest.asset_id,
        defaults={
            "kind": manifest.kind,
            "name": manifest.name,
            "size_bytes": manifest.size_bytes,
            "manifest_sha256": manifest.record_sha256,
        },
        create_defaults={
            "kind": manifest.kind,
            "name": manifest.name,
            "size_bytes": manifest.size_bytes,
            "manifest_sha256": manifest.record_sha256,
            "created_at": created_at,
        },
    )
    return asset


def asset_of_stored(stored: StoredAsset) -> Asset:
    """Of what lies in a stronghold; what this world knows of it already stays."""
    found = parse_checkpoint_id(stored.asset_id)
    asset, _ = Asset.objects.get_or_create(
        asset_id=stored.asset_id,
        defaults={
            "kind": kind_of(stored.asset_id),
            "name": stored.name,
            "hero": (found and found.hero) or "",
            "step": found.step if found else None,
            "size_bytes": stored.size_bytes,
            "manifest_sha256": stored.manifest_sha256,
            "created_at": datetime.fromisoformat(stored.created_at),
        },
    )
    return asset


def put_location(
    asset: Asset,
    stronghold: str,
    path: str,
    *,
    manifest_sha256: str,
    size_bytes: int,
    verified_at: datetime | None = None,
) -> Location:
    """A copy that was seen whole by its record just now; when it was verified before stays known where nothing newer is
    said, and so does damage that was found by reading it.
    """
    said: dict[str, Any] = {
        "state": Location.State.PRESENT,
        "size_bytes": size_bytes,
        "manifest_sha256": manifest_sha256,
        "seen_at": timezone.now(),
        "reason": "",
    }
    if verified_at is not None:
        said["verified_at"] = verified_at
    location, is_new = Location.objects.get_or_create(asset=asset, stronghold=stronghold, path=path, defaults=said)
    if not is_new:
        if location.state == Location.State.DAMAGED and location.manifest_sha256 == manifest_sha256:
            said = {"seen_at": said["seen_at"]} if was_read_damaged(asset.asset_id, stronghold, verified_at) else said
        Location.objects.filter(pk=location.pk).update(**said)
        location.refresh_from_db(fields=list(said))
    return location


def was_read_damaged(asset_id: str, stronghold: str, verified_at: datetime | None) -> bool:
    """Whether the copy there was damaged when it was last read, and that was not before `verified_at`."""
    read = HistoryEntry.objects.filter(action="verify", asset_id=asset_id).order_by("-seq")
    last = next((entry for entry in read if entry.details.get("stronghold", LOCAL) == stronghold), None)
    return last is not None and "damaged" in last.details and (verified_at is None or verified_at <= last.time)


def mark(location: Location, state: Location.State, reason: str) -> None:
    say(location, state=state, reason=reason[:500])


def say(location: Location, **fields: Any) -> None:
    """Also of one that a scan has forgotten meanwhile."""
    for name, value in fields.items():
        setattr(location, name, value)
    Location.objects.filter(pk=location.pk).update(**fields)


def stored_of(location: Location) -> StoredAsset:
    """The copy as its stronghold knows it."""
    asset = location.asset
    return StoredAsset(
        asset_id=asset.asset_id,
        kind=asset.kind,
        name=asset.name,
        path=location.path,
        size_bytes=location.size_bytes,
        created_at=asset.created_at.isoformat(),
        manifest_sha256=location.manifest_sha256,
    )


def here(world: World, location: Location) -> Path:
    """Of a copy in this world, or of what was registered elsewhere on this machine."""
    return world.home / location.path
