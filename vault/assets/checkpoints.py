"""The assets of this world's checkpoints, as the ledger's index lists them: there may be 100,000, and few are new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from django.db import transaction
from django.utils import timezone

from vault.assets.ids import CHECKPOINT, checkpoint_id
from vault.assets.rows import local_path
from vault.models import Asset, Checkpoint, Location
from vault.strongholds.registry import LOCAL

_BATCH = 500


@transaction.atomic
def sync_checkpoints(damaged: Iterable[str] = ()) -> None:
    """Make assets and local copies those of the index. `damaged` are the sentences of vault.index about what is not
    listed for that reason: such a copy stays, as a damaged one.
    """
    facts = dict(_facts())
    _sync_assets(facts)
    _sync_copies(facts, dict(_by_id(damaged)))


def _facts() -> Iterator[tuple[str, Checkpoint]]:
    for row in Checkpoint.objects.only(
        "name", "hero", "step", "created_at", "size_bytes", "verified_at", "sidecar_sha256"
    ).iterator(chunk_size=2000):
        yield checkpoint_id(row.hero, row.name), row


def _by_id(damaged: Iterable[str]) -> Iterator[tuple[str, str]]:
    for sentence in damaged:
        hero, _, name = sentence.partition(":")[0].partition("/")
        yield checkpoint_id(hero, name), sentence


def _sync_assets(facts: dict[str, Checkpoint]) -> None:
    known = {asset.asset_id: asset for asset in Asset.objects.filter(kind=CHECKPOINT)}
    fresh, changed = [], []
    for asset_id, row in facts.items():
        said: dict[str, Any] = {
            "name": row.name,
            "hero": row.hero,
            "step": row.step,
            "size_bytes": row.size_bytes,
            "manifest_sha256": row.sidecar_sha256,
            "created_at": row.created_at,
        }
        if asset_id not in known:
            fresh.append(Asset(asset_id=asset_id, kind=CHECKPOINT, **said))
        elif _lay_over(known[asset_id], said):
            changed.append(known[asset_id])
    Asset.objects.bulk_create(fresh, batch_size=_BATCH)
    if changed:
        Asset.objects.bulk_update(changed, list(said), batch_size=_BATCH)


def _sync_copies(facts: dict[str, Checkpoint], damaged: dict[str, str]) -> None:
    keys = dict(Asset.objects.filter(kind=CHECKPOINT).values_list("asset_id", "pk"))
    mine = Location.objects.filter(stronghold=LOCAL, asset__kind=CHECKPOINT)
    known = {(location.asset_id, location.path): location for location in mine}
    fresh, changed, kept, now = [], [], set(), timezone.now()
    for asset_id, row in facts.items():
        said: dict[str, Any] = {
            "state": Location.State.PRESENT,
            "size_bytes": row.size_bytes,
            "manifest_sha256": row.sidecar_sha256,
            "reason": "",
            "verified_at": row.verified_at,
        }
        location = known.get((keys[asset_id], local_path(row)))
        if location is None:
            fresh.append(Location(asset_id=keys[asset_id], stronghold=LOCAL, path=local_path(row), seen_at=now, **said))
            continue
        kept.add(location.pk)
        if row.verified_at is None:  # the keeper may have read what the ledger has not
            del said["verified_at"]
        if _lay_over(location, said):
            changed.append(location)
    _sync_lost([location for location in known.values() if location.pk not in kept], keys, damaged)
    Location.objects.bulk_create(fresh, batch_size=_BATCH)
    if changed:
        Location.objects.bulk_update(
            changed, ["state", "size_bytes", "manifest_sha256", "reason", "verified_at"], batch_size=_BATCH
        )
    mine.filter(state=Location.State.PRESENT).update(seen_at=now)


def _sync_lost(lost: list[Location], keys: dict[str, int], damaged: dict[str, str]) -> None:
    """What is no longer listed is gone, unless it lies there damaged."""
    reasons = {keys[asset_id]: sentence for asset_id, sentence in damaged.items() if asset_id in keys}
    for location in lost:
        if location.asset_id in reasons:
            Location.objects.filter(pk=location.pk).update(
                state=Location.State.DAMAGED, reason=reasons[location.asset_id][:500]
            )
    gone = [each.pk for each in lost if each.asset_id not in reasons and not _is_registered(each)]
    for at in range(0, len(gone), _BATCH):
        Location.objects.filter(pk__in=gone[at : at + _BATCH]).delete()


def _is_registered(location: Location) -> bool:
    """Whether it lies outside of the world, where no scan of the ledger looks."""
    path = Path(location.path)
    return path.is_absolute() and path.is_dir()


def _lay_over(row: Asset | Location, said: dict[str, Any]) -> bool:
    """Whether anything is different."""
    if all(getattr(row, name) == value for name, value in said.items()):
        return False
    for name, value in said.items():
        setattr(row, name, value)
    return True
