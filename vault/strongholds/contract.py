"""What every stronghold can do, be it a folder, a NAS, a bucket or another machine's branch officer. No Django.

A copy exists there from the moment its last file does, the sidecar of a checkpoint or the manifest of another asset;
what was begun and not ended is nothing, and goes on where it ended when it is begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vault.assets.manifest import Manifest

Progress = Callable[[int, str], None]
"""Bytes that are done in all, and what is done now. It may raise Cancelled."""


class Cancelled(Exception):
    """Who asked wants it no more; what is half done stays for the next try."""


def unheard(bytes_done: int, doing: str) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True, kw_only=True)
class StoredAsset:
    asset_id: str
    """Whole."""
    kind: str
    name: str
    path: str
    """Below the stronghold's root, with slashes."""
    size_bytes: int
    created_at: str
    """ISO 8601 with offset."""
    manifest_sha256: str = ""


class Stronghold(Protocol):
    """Methods raise Unreachable where it does not answer, Damaged naming a file, Refused, NotFound; no OSError."""

    name: str

    def assets(self) -> Iterator[StoredAsset]:
        """All whole copies that lie there."""

    def manifest(self, stored: StoredAsset) -> Manifest: ...

    def put(self, source: Path, manifest: Manifest, *, progress: Progress = unheard) -> StoredAsset:
        """Copy there, read every byte back (or have it hashed there), then make it exist. What is whole is left."""

    def get(self, stored: StoredAsset, target: Path, *, progress: Progress = unheard) -> None:
        """Copy to `target`, a folder or file that does not exist yet: it appears whole and verified, or not at all."""

    def verify(self, stored: StoredAsset, *, progress: Progress = unheard) -> None:
        """Read every byte of the copy."""

    def drop(self, stored: StoredAsset) -> None:
        """Delete the copy, its last file first."""

    def free_bytes(self) -> int | None:
        """Room that is left there; None where nobody can say."""
