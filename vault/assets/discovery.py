"""Brings the rows of assets and copies into line with this world's disk and with every stronghold that answers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from django.conf import settings
from django.db import transaction

from realm.checkpoints.sidecar import DamagedCheckpoint
from realm.disk import locks
from realm.strict import BadConfig
from realm.world import World
from vault import tokens
from vault.assets import local, rows
from vault.assets.checkpoints import sync_checkpoints
from vault.assets.manifest import Manifest
from vault.errors import Damaged, NotFound, Refused, Unreachable, VaultError
from vault.index import ScanReport, scan
from vault.models import Asset, Location
from vault.strongholds.contract import StoredAsset, Stronghold
from vault.strongholds.opening import known_strongholds, open_stronghold
from vault.strongholds.registry import LOCAL
from vault.zones.directory import refresh

LOCK_FILE = "scan.lock"


@dataclass
class DiscoveryReport:
    ledger: ScanReport
    """Of the checkpoints of this world."""
    assets: int = 0
    copies: int = 0
    added: list[str] = field(default_factory=list)
    """Ids of assets that the vault did not know."""
    gone: list[str] = field(default_factory=list)
    """Copies that are no longer there, as `id at stronghold`."""
    damaged: list[str] = field(default_factory=list)
    """One sentence each."""
    silent: dict[str, str] = field(default_factory=dict)
    """Strongholds that did not answer, and why; what is known of their copies stays as it was."""


class VaultDiscovery:
    """`world`: None is that of the settings."""

    def __init__(self, world: World | None = None) -> None:
        self.world: World = world or settings.WORLD

    def scan_all(self) -> DiscoveryReport:
        """This world, then each stronghold that answers; digests are computed only of files that changed."""
        report = self.scan_local()
        try:
            refresh(self.world)
            known = known_strongholds(self.world)
        except (Refused, BadConfig) as error:
            report.silent["settings"], known = str(error), []
        for each in known:
            if not each.silent:
                self.scan_stronghold(each.name, report)
            else:
                report.silent[each.name] = each.silent
        self._count(report)
        return report

    def scan_local(self) -> DiscoveryReport:
        """One at a time."""
        with locks.held(self.world.vault / LOCK_FILE):
            return self._scan_local()

    def _scan_local(self) -> DiscoveryReport:
        ledger = scan(self.world)
        report = DiscoveryReport(ledger=ledger, damaged=list(ledger.damaged))
        before = set(Asset.objects.values_list("asset_id", flat=True))
        sync_checkpoints(report.damaged)
        try:
            tokens.reindex(self.world)
        except Refused as error:
            report.damaged.append(str(error))
        self._sync_files(report)
        Asset.objects.filter(locations=None).delete()
        report.added = sorted(set(Asset.objects.values_list("asset_id", flat=True)) - before)
        self._count(report)
        return report

    def _count(self, report: DiscoveryReport) -> None:
        report.assets, report.copies = Asset.objects.count(), Location.objects.count()

    def _sync_files(self, report: DiscoveryReport) -> None:
        taken: dict[str, str] = {}
        seen, records = set(), set()
        for found in local.find(self.world):
            try:
                manifest = _with_own_id(local.manifest_of(self.world, found), taken)
            except FileNotFoundError:  # the arena moved or ended it meanwhile
                continue
            except (DamagedCheckpoint, Refused, OSError) as error:
                report.damaged.append(str(error))
                continue
            records.add(local.record_of(self.world, found).name)
            seen.add(self._put_file(manifest, found.path).pk)
        gone = Location.objects.filter(stronghold=LOCAL).exclude(asset__kind=Asset.Kind.CHECKPOINT).exclude(pk__in=seen)
        for location in gone.select_related("asset"):
            if not rows.here(self.world, location).exists():
                report.gone.append(f"{location.asset.asset_id} at {LOCAL}")
                location.delete()
        self._forget_records(records)

    def _put_file(self, manifest: Manifest, path: Path) -> Location:
        changed = datetime.fromtimestamp(path.stat().st_mtime, UTC) if path.exists() else datetime.now(UTC)
        below = path.relative_to(self.world.home) if path.is_relative_to(self.world.home) else path
        with transaction.atomic():
            asset = rows.asset_of_manifest(manifest, changed)
            return rows.put_location(
                asset,
                LOCAL,
                str(below),
                manifest_sha256=manifest.record_sha256,
                size_bytes=manifest.size_bytes,
            )

    def _forget_records(self, kept: set[str]) -> None:
        folder = self.world.vault / "manifests"
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.name not in kept:
                path.unlink(missing_ok=True)

    def scan_stronghold(self, name: str, report: DiscoveryReport) -> None:
        """What lies there; where it does not answer to the end, nothing of what is known of it is changed."""
        try:
            stronghold = open_stronghold(self.world, name)
            found = list(stronghold.assets())
        except VaultError as error:
            report.silent[name] = str(error)
            return
        before = set(Asset.objects.values_list("asset_id", flat=True))
        seen = {location.pk for location in (self._put_stored(name, each) for each in found) if location}
        self._look_after_lost(stronghold, name, seen, report)
        report.added += sorted(set(Asset.objects.values_list("asset_id", flat=True)) - before)

    def _put_stored(self, name: str, stored: StoredAsset) -> Location | None:
        """None where the copy's record is another one than was copied there: it is then looked at as a lost one."""
        with transaction.atomic():
            asset = rows.asset_of_stored(stored)
            known = Location.objects.filter(asset=asset, stronghold=name, path=stored.path).first()
            said = stored.manifest_sha256  # zones list none
            if known and said and known.manifest_sha256 not in ("", said):
                return None
            return rows.put_location(
                asset,
                name,
                stored.path,
                manifest_sha256=said or (known.manifest_sha256 if known else ""),
                size_bytes=stored.size_bytes,
            )

    def _look_after_lost(self, stronghold: Stronghold, name: str, seen: Iterable[int], report: DiscoveryReport) -> None:
        for location in Location.objects.filter(stronghold=name).exclude(pk__in=seen).select_related("asset"):
            copy = f"{location.asset.asset_id} at {name}"
            try:
                check_record(stronghold, location)
            except NotFound:
                report.gone.append(copy)
                rows.mark(location, Location.State.MISSING, "It was there, and nobody dropped it.")
            except Damaged as error:
                report.damaged.append(f"{copy}: {error}")
                rows.mark(location, Location.State.DAMAGED, str(error))
            except Unreachable as error:
                report.silent[name] = str(error)
                return


def check_record(stronghold: Stronghold, location: Location) -> Manifest:
    """The manifest of the copy, where it is that which was copied there or first seen; raises Damaged where not."""
    manifest = stronghold.manifest(rows.stored_of(location))
    if location.manifest_sha256 not in ("", manifest.record_sha256):
        raise Damaged(f"{location}: its record is another one than was copied there")
    return manifest


def _with_own_id(manifest: Manifest, taken: dict[str, str]) -> Manifest:
    """Of two things with one id, the later one has some of its digest behind it; equal things are copies of one."""
    content = content_of(manifest)
    if taken.setdefault(manifest.asset_id, content) == content:
        return manifest
    return replace(manifest, asset_id=f"{manifest.asset_id[:180]}_{content[:8]}")


def content_of(manifest: Manifest) -> str:
    """A digest of its bytes alone; a file's name is not among them."""
    if manifest.is_file:
        return manifest.files[manifest.name].sha256
    return replace(manifest, name="x").sha256
