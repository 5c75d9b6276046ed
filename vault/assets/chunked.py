"""Manifests for the wire: they say the digest of each chunk, which sidecars of earlier releases do not. No Django."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from vault.assets.manifest import Manifest
from vault.errors import Damaged


def with_chunks(manifest: Manifest, place: Path) -> Manifest:
    """The manifest, with what is missing read from its folder or file at `place`.

    Raises Damaged naming a file, OSError.
    """
    files = dict(manifest.files)
    for path, proof in manifest.files.items():
        if proof.chunk_digests():
            continue
        try:
            files[path] = sidecar.prove_file(file_of(manifest, place, path))
        except DamagedCheckpoint as error:
            raise Damaged(f"{manifest.name}: {error}") from error
        if files[path].sha256 != proof.sha256:
            raise Damaged(f"{manifest.name}: {path} has changed since it was saved (SHA-256 differs)")
    return replace(manifest, files=files)


def file_of(manifest: Manifest, place: Path, path: str) -> Path:
    """Where a file of the asset at `place` lies; that of one that is a file may have another name on this disk."""
    return place if manifest.is_file else place / path
