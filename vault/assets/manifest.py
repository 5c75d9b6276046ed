"""What a copy of an asset consists of: each file with its digests. Between machines it is what is believed, not names.

Of a checkpoint it is made of its sidecar, which stands in it as a file of its own and is written last everywhere: a
copy without it does not exist. No Django.
"""

from __future__ import annotations

import hashlib
import json
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from realm import strict
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import SIDECAR, FileProof
from realm.disk.durable import TEMP_PREFIX
from vault.assets.ids import is_asset_id, parse_checkpoint_id
from vault.errors import Damaged, Refused

FORMAT_VERSION = 1
MOST_FILES = 100_000
MOST_BYTES = 2**53
"""Of an asset; numbers of JSON are exact up to there."""
PART_PREFIX = ".part-"
"""Of the folder in which a copy arrives, beside its final name. It is no TEMP_PREFIX: what a killed writer left is
swept when the next one begins, but a transfer goes on where it broke."""
TEMPORARY = (TEMP_PREFIX, PART_PREFIX)
_DIGEST = re.compile(r"[0-9a-f]{64}")
_PART = re.compile(r"[^/\0\\]{1,255}")


@dataclass(frozen=True, kw_only=True)
class Manifest:
    format_version: int = FORMAT_VERSION
    asset_id: str
    """Whole."""
    kind: str
    name: str
    """Of the folder, or of the one file where `is_file`."""
    is_file: bool = False
    files: dict[str, FileProof] = field(default_factory=dict)
    """By path below the folder, with slashes."""

    def __post_init__(self) -> None:
        if self.format_version != FORMAT_VERSION:
            raise ValueError(f"format_version {self.format_version} is not {FORMAT_VERSION}")
        if not is_asset_id(self.asset_id):
            raise ValueError(f"asset_id {strict.shown(self.asset_id)} is none")
        if not self.asset_id.startswith(f"{self.kind}_"):
            raise ValueError(f"kind {strict.shown(self.kind)} is not that of {self.asset_id}")
        if not is_plain_name(self.name):
            raise ValueError(f"name {strict.shown(self.name)} is no plain name")
        if not 0 < len(self.files) <= MOST_FILES or (self.is_file and list(self.files) != [self.name]):
            raise ValueError(f"files: {len(self.files)} of them cannot be")
        for path, proof in self.files.items():
            _check_proof(path, proof)
        _check_checkpoint(self)
        if self.size_bytes > MOST_BYTES:
            raise ValueError(f"files: {self.size_bytes} bytes cannot be")
        _check_no_file_is_a_folder(self.files)

    @property
    def size_bytes(self) -> int:
        return sum(proof.size_bytes for proof in self.files.values())

    @property
    def sha256(self) -> str:
        """Over everything that it says."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    @property
    def record_sha256(self) -> str:
        """What tells one version of the asset from another: of a checkpoint the digest of its sidecar, of anything else
        one over paths and digests of its files. Whether chunks are told makes no difference.
        """
        if SIDECAR in self.files:
            return self.files[SIDECAR].sha256
        told = {path: proof.sha256 for path, proof in self.files.items()}
        return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()

    @property
    def order(self) -> list[str]:
        """Paths as they are to be written: the sidecar last."""
        return sorted(self.files, key=lambda path: (path == SIDECAR, path))


def is_safe_path(path: str) -> bool:
    """Whether it stays below the folder that it is joined to, on any file system, and names nothing temporary."""
    parts = path.split("/")
    return (
        len(path) <= 1000
        and path.isprintable()
        and all(_PART.fullmatch(part) and part not in (".", "..") and not part.startswith(TEMPORARY) for part in parts)
    )


def is_plain_name(name: str) -> bool:
    """Whether an asset may lie under it: one safe part of a path that hides nothing, such as a shell's settings."""
    return is_safe_path(name) and "/" not in name and not name.startswith(".")


def of_checkpoint(asset_id: str, folder: Path) -> Manifest:
    """As its sidecar says; no other byte is read. Raises DamagedCheckpoint, or OSError."""
    saved = sidecar.read(folder)
    files = dict(saved.files) | {SIDECAR: sidecar.prove_file(folder / SIDECAR)}
    return Manifest(asset_id=asset_id, kind="checkpoint", name=folder.name, files=files)


def of_sidecar(asset_id: str, name: str, data: bytes) -> Manifest:
    """Of a checkpoint elsewhere, by its sidecar's bytes. Raises Damaged where they are not as they were written."""
    try:
        saved = sidecar.decode(data, source=f"{name}/{SIDECAR}")
        if saved.name != name:
            raise ValueError(f"its sidecar belongs to {saved.name}")
        own = FileProof(sha256=hashlib.sha256(data).hexdigest(), size_bytes=len(data), chunks=_chunks(data))
        return Manifest(asset_id=asset_id, kind="checkpoint", name=name, files=dict(saved.files) | {SIDECAR: own})
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name}: {SIDECAR} is damaged: {error}") from error


def _chunks(data: bytes) -> tuple[str, ...]:
    starts = range(0, len(data), sidecar.CHUNK_BYTES)
    found = tuple(hashlib.sha256(data[at : at + sidecar.CHUNK_BYTES]).hexdigest() for at in starts)
    return found if len(found) > 1 else ()


def of_path(asset_id: str, kind: str, path: Path) -> Manifest:
    """Every byte is read. Raises DamagedCheckpoint for what is no regular file, or OSError."""
    if path.is_dir():
        return Manifest(asset_id=asset_id, kind=kind, name=path.name, files=sidecar.prove_files(path))
    files = {path.name: sidecar.prove_file(path)}
    return Manifest(asset_id=asset_id, kind=kind, name=path.name, is_file=True, files=files)


def named(manifest: Manifest, name: str) -> Manifest:
    """Of a folder that is called otherwise than its path says, as one of a hub's cache; a file keeps its own name."""
    return manifest if manifest.is_file else replace(manifest, name=name)


def parse(value: Any, *, source: str) -> Manifest:
    """Raises Refused: what another machine says is checked before anything is done with it."""
    try:
        return strict.read(Manifest, value, source=source)
    except strict.BadConfig as error:
        raise Refused(f"the manifest is refused: {error}") from error


def _check_checkpoint(manifest: Manifest) -> None:
    """A hero's checkpoint lies beside the hero's own files, of which it must not be able to become one."""
    known = parse_checkpoint_id(manifest.asset_id)
    if known is None or known.hero is None:
        return
    if manifest.name != known.name or manifest.is_file or SIDECAR not in manifest.files:
        raise ValueError(f"{manifest.asset_id} is a folder called {known.name}, with its {SIDECAR}")


def _check_proof(path: str, proof: FileProof) -> None:
    if not is_safe_path(path):
        raise ValueError(f"files: {strict.shown(path)} is no path below the asset's folder")
    if proof.size_bytes < 0 or not all(_DIGEST.fullmatch(each) for each in (proof.sha256, *proof.chunks)):
        raise ValueError(f"files: {strict.shown(path)} has a size or digest that cannot be")
    if proof.chunks and len(proof.chunks) != -(-proof.size_bytes // sidecar.CHUNK_BYTES):
        raise ValueError(f"files: {strict.shown(path)} has {len(proof.chunks)} chunks, which cannot be its size")


def _check_no_file_is_a_folder(files: Mapping[str, FileProof]) -> None:
    """On no file system: some take names for the same that differ in the case of a letter, or in how it is put."""
    names: dict[str, str] = {}
    for path in files:
        if (other := names.setdefault(_alike(path), path)) != path:
            raise ValueError(f"files: {strict.shown(other)} and {strict.shown(path)} are one on some file systems")
    for path in files:
        above = path.rpartition("/")[0]
        while above:
            if _alike(above) in names:
                raise ValueError(f"files: {strict.shown(above)} is a file and a folder")
            above = above.rpartition("/")[0]


def _alike(path: str) -> str:
    return unicodedata.normalize("NFC", path).casefold()
