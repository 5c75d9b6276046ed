"""What a snapshot holds: each file with its digest. It is written last, so a folder without it is no snapshot.

Files of checkpoints are proved by their sidecars, whose digests stand here: no weights are read. No Django.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from realm import strict
from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, read_regular
from realm.moments import read_moment
from vault.assets.manifest import is_safe_path
from vault.errors import Damaged, NotFound, Refused

FILE = "manifest.json"
WORLD = "world"
"""Folder of a snapshot which is the world's home as it was."""
FORMAT_VERSION = 1
LARGEST_BYTES = 512 * 2**20
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, kw_only=True)
class Proof:
    sha256: str
    size_bytes: int
    mtime_ns: int
    """Of the file in the world; with the same one and the same size it is not read again by the next snapshot."""


@dataclass(frozen=True, kw_only=True)
class SnapshotManifest:
    format_version: int = FORMAT_VERSION
    name: str
    reason: str
    by: str
    created_at: str
    """ISO 8601 with offset."""
    world: str
    """The home that it was taken of."""
    hero: str
    release: str
    """Of the realm."""
    holds: Literal["world", "database"] = "world"
    database: str = ""
    """Its file, below the home: of SQLite, or a dump of PostgreSQL for pg_restore."""
    with_secrets: bool = False
    files: dict[str, Proof] = field(default_factory=dict)
    """By path below the home; those of checkpoints are left out."""
    checkpoints: dict[str, str] = field(default_factory=dict)
    """SHA-256 of the sidecar, by the folder's path below the home."""
    links: dict[str, str] = field(default_factory=dict)
    """Where a relative link points, by its path."""
    left_out: tuple[str, ...] = ()
    """One sentence each."""

    def __post_init__(self) -> None:
        read_moment(self.created_at)
        for text in (self.name, self.reason, self.by, self.world, self.hero, self.release, *self.left_out):
            if not text.isprintable():
                raise ValueError(f"{strict.shown(text)} cannot be printed")
        for path in (*self.files, *self.checkpoints, *self.links):
            if not is_safe_path(path):
                raise ValueError(f"{strict.shown(path)} is no path below a world")
        for path, proof in self.files.items():
            if proof.size_bytes < 0 or not _DIGEST.fullmatch(proof.sha256):
                raise ValueError(f"files: {strict.shown(path)} has a size or digest that cannot be")
        for path, target in self.links.items():
            if not is_safe_path(target) or path in self.files:
                raise ValueError(f"links: {strict.shown(path)} points to {strict.shown(target)}, which is not allowed")
        if self.database and self.database not in self.files:
            raise ValueError(f"database: {strict.shown(self.database)} is not among its files")

    @property
    def size_bytes(self) -> int:
        """Of the files; checkpoints are not counted."""
        return sum(proof.size_bytes for proof in self.files.values())


@dataclass(frozen=True)
class Expected:
    sha256: str
    size_bytes: int | None
    """None: not known."""


def write(folder: Path, manifest: SnapshotManifest) -> None:
    durable.write_json(folder / FILE, sidecar.seal(asdict(manifest)))


def read(folder: Path) -> SnapshotManifest:
    """What the snapshot in `folder` says of itself. Raises NotFound, Refused for another format, Damaged."""
    path = folder / FILE
    try:
        value = json.loads(read_regular(path, most_bytes=LARGEST_BYTES))
    except (FileNotFoundError, NotADirectoryError):
        raise NotFound(f"{folder} is no snapshot: it has no {FILE}") from None
    except (UnfitFile, ValueError, RecursionError) as error:
        raise Damaged(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise Damaged(f"{path} cannot be read: a mapping is expected")
    version = value.get("format_version")
    if version != FORMAT_VERSION:
        raise Refused(
            f"{folder.name} is of format {strict.shown(version)}, of release {strict.shown(value.get('release'))}, "
            f"and this one reads format {FORMAT_VERSION}"
        )
    if value.get(sidecar.SEAL) != sidecar.seal(value)[sidecar.SEAL]:
        raise Damaged(f"{path} has changed since it was written ({sidecar.SEAL} differs)")
    plain = {key: item for key, item in value.items() if key != sidecar.SEAL}
    try:
        return strict.read(SnapshotManifest, plain, source=str(path))
    except strict.BadConfig as error:
        raise Refused(f"the snapshot is refused: {error}") from error


def expected_files(folder: Path, manifest: SnapshotManifest) -> dict[str, Expected]:
    """Every file that the snapshot must hold, by path below the home: the manifest's, and those that the sidecars of
    its checkpoints name. Raises Damaged, Refused."""
    found = {path: Expected(proof.sha256, proof.size_bytes) for path, proof in manifest.files.items()}
    for path, digest in manifest.checkpoints.items():
        for name, expected in _of_checkpoint(folder / WORLD / path, digest).items():
            if not is_safe_path(f"{path}/{name}") or f"{path}/{name}" in found:
                raise Refused(f"the snapshot is refused: {path} names a file {strict.shown(name)} that cannot be")
            found[f"{path}/{name}"] = expected
    return found


def _of_checkpoint(folder: Path, digest: str) -> dict[str, Expected]:
    try:
        if sidecar.digest(folder / SIDECAR) != digest:
            raise Damaged(f"{folder.name}: {SIDECAR} is not the one that was saved (SHA-256 differs)")
        proofs = sidecar.read(folder).files
    except FileNotFoundError:
        raise Damaged(f"{folder.name}: {SIDECAR} is missing") from None
    except DamagedCheckpoint as error:
        raise Damaged(str(error)) from error
    return {SIDECAR: Expected(digest, None)} | {
        name: Expected(proof.sha256, proof.size_bytes) for name, proof in proofs.items()
    }


def check_tree(folder: Path, manifest: SnapshotManifest, expected: dict[str, Expected]) -> None:
    """That the folder holds those files, of those sizes, and nothing else. Raises Damaged naming the first that is not
    so; no link is followed."""
    if (folder / WORLD).is_symlink() or not (folder / WORLD).is_dir():
        raise Damaged(f"{folder.name} holds no folder {WORLD}")
    present: dict[str, int] = {}
    for path, entry in _entries(folder / WORLD, ""):
        if entry.is_symlink():
            if manifest.links.get(path) != os.readlink(entry.path):
                raise Damaged(f"{path} is a link that its manifest does not know")
        elif not entry.is_file(follow_symlinks=False):
            raise Damaged(f"{path} is no regular file")
        elif path not in expected:
            raise Damaged(f"{path} is not in its manifest")
        else:
            present[path] = entry.stat(follow_symlinks=False).st_size
    for path, wanted in expected.items():
        if path not in present:
            raise Damaged(f"{path} is missing")
        if wanted.size_bytes is not None and present[path] != wanted.size_bytes:
            raise Damaged(f"{path} has another size than when it was taken")


def make_links(home: Path, links: Mapping[str, str]) -> dict[str, str]:
    """Those that were made: the ones that point to something in `home`."""
    made = {}
    for path, target in links.items():
        place = home / path
        if (place.parent / target).exists():
            place.symlink_to(target)
            made[path] = target
    return made


def _entries(folder: Path, below: str) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """What is no folder, by path."""
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            yield from _entries(Path(entry.path), f"{below}{entry.name}/")
        else:
            yield f"{below}{entry.name}", entry
