"""Another machine's branch officer as a stronghold. No Django."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from vault.assets.chunked import with_chunks
from vault.assets.manifest import Manifest
from vault.errors import Damaged
from vault.strongholds.contract import Progress, StoredAsset, unheard
from vault.zones import carrying
from vault.zones.client import ZoneClient


class ZoneStronghold:
    """The contract's Stronghold over HTTP."""

    def __init__(self, zone: str, url: str, token: str = "") -> None:
        self.name = zone
        self.client = ZoneClient(zone, url, token)

    def check_answers(self) -> None:
        """Before what may take long: raises Unreachable soon where it is silent, Refused where it is another zone."""
        self.client.status()

    def assets(self) -> Iterator[StoredAsset]:
        yield from self.client.assets()

    def manifest(self, stored: StoredAsset) -> Manifest:
        return self.client.manifest(stored.asset_id)

    def put(self, source: Path, manifest: Manifest, *, progress: Progress = unheard) -> StoredAsset:
        try:
            told = with_chunks(manifest, source)
        except OSError as error:
            raise Damaged(f"{source} cannot be read: {error.strerror}") from error
        self.check_answers()
        carrying.push(self.client, source, told, progress=progress)
        return replace(self.client.asset(manifest.asset_id), manifest_sha256=manifest.sha256)

    def get(self, stored: StoredAsset, target: Path, *, progress: Progress = unheard) -> None:
        self.check_answers()
        carrying.pull(self.client, self.manifest(stored), target, progress=progress)

    def verify(self, stored: StoredAsset, *, progress: Progress = unheard) -> None:
        progress(0, f"zone {self.name} reads {stored.name}")
        self.check_answers()
        self.client.verify(stored.asset_id)
        progress(stored.size_bytes, f"zone {self.name} has read {stored.name}")

    def drop(self, stored: StoredAsset) -> None:
        self.client.drop(stored.asset_id)

    def free_bytes(self) -> int | None:
        return self.client.status().free_bytes
