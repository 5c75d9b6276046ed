"""Manifests for the wire: they say the digest of each chunk, which sidecars of earlier releases do not. No Django."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint
from vault.assets.manifest import Manifest
from vault.errors import Damaged


def with_chunks(manifest: Manifest, root: Path) -> Manifest:
    """The manifest, with what is missing read from the files below `root`. Raises Damaged naming a file, OSError."""
    files = dict(manifest.files)
    for path, proof in manifest.files.items():
        if proof.chunk_digests():
            continue
        try:
            files[path] = sidecar.prove_file(root / path)
        except DamagedCheckpoint as error:
            raise Damaged(f"{manifest.name}: {error}") from error
        if files[path].sha256 != proof.sha256:
            raise Damaged(f"{manifest.name}: {path} has changed since it was saved (SHA-256 differs)")
    return replace(manifest, files=files)
