"""One file of a live world into a snapshot: linked where it never changes, or where the last snapshot has it already,
and else copied and hashed in one reading. No Django.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from vault.archivist.manifest import WORLD, Proof, SnapshotManifest
from vault.strongholds.contract import Progress, unheard

_PIECE_BYTES = 2**20
_NO_LINKS = frozenset({errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS})
"""Of link(2), where a file system has none, or not between these two places."""
_TRIES = 3


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Where the copy of a file ends that is only ever appended to."""

    most_bytes: int | None = None
    at_newline: bool = False
    """What follows its last newline is left out."""


@dataclass(frozen=True)
class Former:
    """The newest whole snapshot, whose files need not be stored twice."""

    folder: Path
    manifest: SnapshotManifest

    def same(self, path: str, found: os.stat_result) -> Proof | None:
        """What it holds of `path`, where the world's file is the one that it took by size and time of change."""
        proof = self.manifest.files.get(path)
        return proof if proof and _looks_like(found, proof) else None

    def link(self, path: str, target: Path, proof: Proof) -> bool:
        """Whether its own copy, untouched as far as that can be seen, is now also `target`."""
        try:
            return _looks_like((kept := self.folder / WORLD / path).lstat(), proof) and _link(kept, target)
        except FileNotFoundError:
            return False


@dataclass(kw_only=True)
class Copier:
    """Brings files of `home` into `target`, under the same paths, and keeps what proves them."""

    home: Path
    target: Path
    former: Former | None = None
    progress: Progress = unheard
    proofs: dict[str, Proof] = field(default_factory=dict)
    left_out: list[str] = field(default_factory=list)
    bytes_done: int = 0

    def take(self, path: str, *, links: bool = False, cut: Cut | None = None) -> None:
        """One file, by its path; a file that has gone by now, or is none, is passed over.

        With `links` it never changes and is hard-linked where that is possible. `cut` says where the copy ends of one
        that grows.
        """
        source, copied = self.home / path, self.target / path
        copied.parent.mkdir(parents=True, exist_ok=True)
        try:
            found = source.lstat()
            known = self.former.same(path, found) if self.former and cut is None else None
            if not stat.S_ISREG(found.st_mode):
                self.left_out.append(f"{path} is no regular file")
                return
            if self.former and known and self.former.link(path, copied, known):
                proof = known
            elif links and _link(source, copied):
                proof = known or _proof(copied)
            else:
                proof = _copy(source, copied, cut)
        except FileNotFoundError:
            self.forget(path)
            return
        self.proofs[path] = proof
        self.bytes_done += proof.size_bytes
        self.progress(self.bytes_done, path)

    def prove(self, path: str) -> None:
        """A file that was made in the snapshot."""
        self.proofs[path] = _proof(self.target / path)
        self.bytes_done += self.proofs[path].size_bytes

    def take_checkpoint(self, path: str) -> None:
        """A folder whose files never change; its sidecar proves them, so that none is read. Raises OSError."""
        for place, _, names in os.walk(self.home / path):
            below = Path(place).relative_to(self.home)
            (self.target / below).mkdir(parents=True, exist_ok=True)
            for name in names:
                source, copied = self.home / below / name, self.target / below / name
                if not _link(source, copied):
                    _copy(source, copied, None)
                self.bytes_done += copied.stat().st_size
                self.progress(self.bytes_done, path)

    def forget(self, path: str) -> None:
        """Take a file, or a folder with all below, out of the snapshot again."""
        copied = self.target / path
        if copied.is_dir():
            shutil.rmtree(copied)
        else:
            copied.unlink(missing_ok=True)
        for known in [known for known in self.proofs if known == path or known.startswith(f"{path}/")]:
            del self.proofs[known]


def _looks_like(found: os.stat_result, proof: Proof) -> bool:
    return (found.st_size, found.st_mtime_ns) == (proof.size_bytes, proof.mtime_ns)


def _link(source: Path, target: Path) -> bool:
    target.unlink(missing_ok=True)
    try:
        os.link(source, target, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        return False
    return True


def _copy(source: Path, target: Path, cut: Cut | None) -> Proof:
    """Of what it held when it was opened; one that is changed in place meanwhile is read again. Raises OSError."""
    for _ in range(_TRIES):
        target.unlink(missing_ok=True)
        with open(source, "rb", opener=_as_it_is) as live:
            before = os.fstat(live.fileno())
            most = before.st_size if cut is None or cut.most_bytes is None else min(before.st_size, cut.most_bytes)
            digest = _write(live, target, most)
            after = os.fstat(live.fileno())
        if cut or (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
            break
    size = target.stat().st_size
    if cut and cut.at_newline and (whole := _whole_lines(target, size)) < size:
        os.truncate(target, whole)
        digest = ""
    os.utime(target, ns=(before.st_atime_ns, before.st_mtime_ns))
    return _proof(target) if not digest else Proof(sha256=digest, size_bytes=size, mtime_ns=before.st_mtime_ns)


def _as_it_is(path: str, flags: int) -> int:
    """It may be a link by now, or a pipe that waits for its writer: neither is followed."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _as_private(path: str, flags: int) -> int:
    """What is a secret shall be one from its first byte on."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def _write(live: BinaryIO, target: Path, most_bytes: int) -> str:
    """SHA-256 of the first `most_bytes`, which are written to `target`."""
    digest, left = hashlib.sha256(), most_bytes
    with open(target, "xb", opener=_as_private) as copied:
        os.fchmod(copied.fileno(), stat.S_IMODE(os.fstat(live.fileno()).st_mode) & 0o777)
        while left > 0 and (piece := live.read(min(_PIECE_BYTES, left))):
            copied.write(piece)
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def _proof(path: Path) -> Proof:
    with open(path, "rb") as file:
        found = os.fstat(file.fileno())
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Proof(sha256=digest, size_bytes=found.st_size, mtime_ns=found.st_mtime_ns)


def _whole_lines(path: Path, size: int) -> int:
    """Bytes up to and with the last newline."""
    with open(path, "rb") as file:
        at = size
        while at > 0:
            begin = max(0, at - _PIECE_BYTES)
            file.seek(begin)
            newline = file.read(at - begin).rfind(b"\n")
            if newline >= 0:
                return begin + newline + 1
            at = begin
    return 0
