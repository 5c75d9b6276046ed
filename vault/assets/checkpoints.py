"""The assets of this world's checkpoints, as the ledger's index lists them: there may be 100,000, and few are new."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import NamedTuple, TypeVar

from django.utils import timezone

from vault.assets.ids import CHECKPOINT, checkpoint_id, parse_checkpoint_id
from vault.assets.rows import was_read_damaged
from vault.models import Asset, Checkpoint, Location
from vault.strongholds.registry import LOCAL

T = TypeVar("T")
_BATCH = 500


class _Listed(NamedTuple):
    hero: str
    name: str
    sha256: str
    size_bytes: int
    verified_at: datetime | None

    @property
    def asset_id(self) -> str:
        return checkpoint_id(self.hero, self.name)

    @property
    def path(self) -> str:
        return f"models/heroes/{self.hero}/{self.name}"


def sync_checkpoints(damaged: Iterable[str] = ()) -> None:
    """Make assets and local copies those of the index. `damaged` are the sentences of vault.index about what is not
    listed for that reason: such a copy stays, as a damaged one. Written in short transactions: others write, too, and
    may have written the same.
    """
    fields = ("hero", "name", "sidecar_sha256", "size_bytes", "verified_at")
    listed = {row.asset_id: row for row in map(_Listed._make, Checkpoint.objects.values_list(*fields))}
    _sync_assets(listed)
    _sync_copies(listed, dict(_by_id(damaged)))


def _by_id(damaged: Iterable[str]) -> Iterator[tuple[str, str]]:
    for sentence in damaged:
        hero, _, name = sentence.partition(":")[0].partition("/")
        yield checkpoint_id(hero, name), sentence


def _sync_assets(listed: dict[str, _Listed]) -> None:
    known = {
        asset_id: said
        for asset_id, *said in Asset.objects.filter(kind=CHECKPOINT).values_list(
            "asset_id", "manifest_sha256", "size_bytes"
        )
    }
    fresh = [asset_id for asset_id in listed if asset_id not in known]
    changed = [
        asset_id
        for asset_id, row in listed.items()
        if asset_id in known and known[asset_id] != [row.sha256, row.size_bytes]
    ]
    for some in _batches(fresh):
        times = _times(listed[asset_id] for asset_id in some)
        Asset.objects.bulk_create([_asset(listed[asset_id], times) for asset_id in some], ignore_conflicts=True)
    for asset_id in changed:
        row = listed[asset_id]
        Asset.objects.filter(asset_id=asset_id).update(manifest_sha256=row.sha256, size_bytes=row.size_bytes)


def _times(rows: Iterable[_Listed]) -> dict[tuple[str, str], datetime]:
    names = [row.name for row in rows]
    found = Checkpoint.objects.filter(name__in=names).values_list("hero", "name", "created_at")
    return {(hero, name): created_at for hero, name, created_at in found}


def _asset(row: _Listed, times: dict[tuple[str, str], datetime]) -> Asset:
    parsed = parse_checkpoint_id(row.asset_id)
    return Asset(
        asset_id=row.asset_id,
        kind=CHECKPOINT,
        name=row.name,
        hero=row.hero,
        step=parsed.step if parsed else None,
        size_bytes=row.size_bytes,
        manifest_sha256=row.sha256,
        created_at=times.get((row.hero, row.name), timezone.now()),
    )


def _sync_copies(listed: dict[str, _Listed], damaged: dict[str, str]) -> None:
    keys = dict(Asset.objects.filter(kind=CHECKPOINT).values_list("asset_id", "pk"))
    mine = Location.objects.filter(stronghold=LOCAL, asset__kind=CHECKPOINT)
    fields = ("pk", "state", "size_bytes", "manifest_sha256", "verified_at")
    known: dict[tuple[int, str], tuple[int, str, int, str, datetime | None]] = {
        (asset, path): (pk, state, size_bytes, sha256, verified_at)
        for asset, path, pk, state, size_bytes, sha256, verified_at in mine.values_list("asset_id", "path", *fields)
    }
    fresh, kept, now = [], set(), timezone.now()
    for asset_id, row in listed.items():
        said = known.get((keys[asset_id], row.path))
        if said is None:
            fresh.append(_copy(row, keys[asset_id], now))
            continue
        pk, state, size_bytes, sha256, verified_at = said
        kept.add(pk)
        wanted = row.verified_at or verified_at  # the keeper may have read what the ledger has not
        if state == Location.State.DAMAGED and sha256 == row.sha256 and was_read_damaged(asset_id, LOCAL, wanted):
            continue
        if (state, size_bytes, sha256, verified_at) != (Location.State.PRESENT, row.size_bytes, row.sha256, wanted):
            Location.objects.filter(pk=pk).update(
                state=Location.State.PRESENT,
                reason="",
                size_bytes=row.size_bytes,
                manifest_sha256=row.sha256,
                verified_at=wanted,
            )
    lost = {said[0]: (asset, path) for (asset, path), said in known.items() if said[0] not in kept}
    _sync_lost(lost, {keys[asset_id]: why for asset_id, why in damaged.items() if asset_id in keys})
    for some in _batches(fresh):
        Location.objects.bulk_create(some, ignore_conflicts=True)
    mine.filter(state=Location.State.PRESENT).update(seen_at=now)


def _copy(row: _Listed, asset: int, now: datetime) -> Location:
    return Location(
        asset_id=asset,
        stronghold=LOCAL,
        path=row.path,
        size_bytes=row.size_bytes,
        manifest_sha256=row.sha256,
        verified_at=row.verified_at,
        seen_at=now,
    )


def _sync_lost(lost: dict[int, tuple[int, str]], damaged: dict[int, str]) -> None:
    """What is no longer listed is gone, unless it lies there damaged. By the copy's key its asset's, and its path."""
    gone = []
    for pk, (asset, path) in lost.items():
        if asset in damaged:
            Location.objects.filter(pk=pk).update(state=Location.State.DAMAGED, reason=damaged[asset][:500])
        elif not _is_registered(path):
            gone.append(pk)
    for some in _batches(gone):
        Location.objects.filter(pk__in=some).delete()


def _is_registered(path: str) -> bool:
    """Whether it lies outside of the world, where no scan of the ledger looks."""
    return Path(path).is_absolute() and Path(path).is_dir()


def _batches(rows: list[T]) -> Iterator[list[T]]:
    return (rows[at : at + _BATCH] for at in range(0, len(rows), _BATCH))
