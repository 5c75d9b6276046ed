"""A copy that arrives in pieces, from any machine, and goes on where it broke. No Django.

The bytes themselves say how far it is: whoever begins hashes what is there chunk by chunk, so no journal can be wrong.
A chunk is written once its digest was right; of the one that was cut the beginning stays, for the rest to be added.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk import durable, full
from vault.assets import ids
from vault.assets.manifest import PART_PREFIX, Manifest
from vault.assets.members import Member
from vault.errors import Damaged, Refused

KEEP_SECONDS = 24 * 3600.0
"""What has not grown for so long goes on no more."""
_PAUSE_SECONDS = 0.1


class Taken(Exception):
    """Another process, or another thread of this one, receives the same thing."""


class AlreadyThere(Exception):
    """The target is whole and the same."""


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Bytes of one file that are missing."""

    path: str
    start: int
    end: int
    """The first that is not."""


class Partial:
    """Use `opened`. Its methods raise Damaged naming the file, and Refused where the disk is full."""

    def __init__(self, folder: Path, handle: int, target: Path, manifest: Manifest) -> None:
        self._folder, self._handle, self._target, self.manifest = folder, handle, target, manifest
        # One hashes chunks and writes them, one hashes files as wholes; each in order.
        self._pools = ThreadPoolExecutor(1, "chunks"), ThreadPoolExecutor(1, "files")
        self.members = {path: Member(folder / path, proof, path, self._pools) for path, proof in manifest.files.items()}

    @property
    def size_bytes(self) -> int:
        return self.manifest.size_bytes

    @property
    def bytes_done(self) -> int:
        return sum(member.bytes_done for member in self.members.values())

    def gaps(self) -> list[Gap]:
        """In the order of writing."""
        return [
            Gap(path=path, start=start, end=end)
            for path in self.manifest.order
            for start, end in self.members[path].gaps()
        ]

    def check_room(self) -> None:
        """Raises Refused where the volume cannot hold what is missing."""
        missing, free = self.size_bytes - self.bytes_done, shutil.disk_usage(self._folder).free
        if missing > free:
            raise Refused(f"there is no room for it: {missing:,} bytes are missing, {free:,} are free")

    def commit(self) -> None:
        """Give it its name, once every byte was proven and is on disk. Raises AlreadyThere too."""
        for path in self.manifest.order:
            self.members[path].prove()
        self._check_names()
        if SIDECAR in self.manifest.files and self.manifest.kind == ids.CHECKPOINT:
            _check_sidecar(self._folder, self.manifest)
        source = self._folder / self.manifest.name if self.manifest.is_file else self._folder
        with _in_words(self._target.parent):
            self._sync()
            try:
                durable.move(source, self._target)
            except FileExistsError:
                check_is_same(self._target, self.manifest)
                raise AlreadyThere from None
        if self.manifest.is_file:
            shutil.rmtree(self._folder, ignore_errors=True)

    def discard(self) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def close(self) -> None:
        """What is half done stays."""
        for pool in self._pools:
            pool.shutdown()
        for member in self.members.values():
            member.close()
        os.close(self._handle)

    def _check_names(self) -> None:
        """Nobody has put anything beside."""
        there = {path.relative_to(self._folder).as_posix() for path in self._folder.rglob("*") if not _is_folder(path)}
        if strange := sorted(there - set(self.manifest.files)):
            raise Damaged(f"{self.manifest.name}: {strange[0]} lies there, which its manifest does not name")

    def _sync(self) -> None:
        for path in sorted(self._folder.rglob("*"), reverse=True):
            durable.sync_folder(path) if path.is_dir() else durable.sync_file(path)
        durable.sync_folder(self._folder)


@contextmanager
def opened(target: Path, manifest: Manifest, *, wait_seconds: float = 0.0) -> Iterator[Partial]:
    """See `begin`; it is closed at the end, and what is half done stays."""
    partial = begin(target, manifest, wait_seconds=wait_seconds)
    try:
        yield partial
    finally:
        partial.close()


def begin(target: Path, manifest: Manifest, *, wait_seconds: float = 0.0) -> Partial:
    """The copy that is on its way to `target`, found or begun; every byte of it that is there is read.

    Raises AlreadyThere, Taken after `wait_seconds`, Refused where something else has that name, Damaged where the
    same thing lies there and is not whole.
    """
    for path, proof in manifest.files.items():
        if not proof.chunk_digests():
            raise Refused(f"{manifest.name}: the manifest has no digests of the chunks of {path}")
    folder, end = part_of(target, manifest), time.monotonic() + wait_seconds
    while True:
        if os.path.lexists(target):
            check_is_same(target, manifest)
            raise AlreadyThere
        with _in_words(target.parent):
            folder.mkdir(parents=True, exist_ok=True)
        if (handle := _lock(folder)) is not None:
            break
        if time.monotonic() >= end:
            raise Taken(f"{manifest.name} is arriving already")
        time.sleep(_PAUSE_SECONDS)
    partial = Partial(folder, handle, target, manifest)
    try:
        with _in_words(folder):
            for member in partial.members.values():
                member.look()
    except BaseException:
        partial.close()
        raise
    return partial


def part_of(target: Path, manifest: Manifest) -> Path:
    return target.with_name(f"{PART_PREFIX}{manifest.sha256[:16]}-{target.name[:100]}")


def check_is_same(target: Path, manifest: Manifest) -> None:
    """Read every byte of `target`. Raises Refused where it is something else, Damaged where it is not whole."""
    if target.is_symlink() or target.is_dir() == manifest.is_file:
        raise Refused(f"{target.name} is there already, and is something else")
    root = target.parent if manifest.is_file else target
    for path, proof in manifest.files.items():
        if not (root / path).exists():
            raise Refused(f"{target.name} is there already, and is something else: it has no {path}")
        if path == SIDECAR and sidecar.digest(root / path) != proof.sha256:
            raise Refused(f"{target.name} is there already, and is something else: its sidecar is another one")
    try:
        for path, proof in manifest.files.items():
            if (root / path).stat().st_size != proof.size_bytes or sidecar.digest(root / path) != proof.sha256:
                raise Damaged(f"{target.name} is there already, and its {path} is not what it must be")
    except DamagedCheckpoint as error:
        raise Damaged(f"{target.name} is there already: {error}") from error


def sweep(folder: Path, *, older_than_seconds: float = KEEP_SECONDS) -> list[Path]:
    """Delete what arrives below `folder` no more; what was deleted."""
    swept = []
    for part in folder.glob(f"{PART_PREFIX}*"):
        if _is_folder(part) and time.time() - _last_change(part) > older_than_seconds:
            handle = _lock(part)
            if handle is not None:
                shutil.rmtree(part, ignore_errors=True)
                os.close(handle)
                swept.append(part)
    return swept


def _last_change(folder: Path) -> float:
    times = [folder.lstat().st_mtime]
    with suppress(OSError):
        times += [path.lstat().st_mtime for path in folder.rglob("*")]
    return max(times)


def _lock(folder: Path) -> int | None:
    """A handle on the folder, locked; None while another has it. The lock goes with the folder when it is renamed."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), os.lstat(folder)):
            return handle
    except OSError:  # held, or renamed since
        pass
    os.close(handle)
    return None


def _check_sidecar(folder: Path, manifest: Manifest) -> None:
    """A whole checkpoint says of itself what the manifest said of it."""
    try:
        saved = sidecar.read(folder)
    except DamagedCheckpoint as error:
        raise Damaged(f"{manifest.name}: {SIDECAR} is no checkpoint's: {error}") from error
    told = {path: (proof.sha256, proof.size_bytes) for path, proof in manifest.files.items() if path != SIDECAR}
    if told != {path: (proof.sha256, proof.size_bytes) for path, proof in saved.files.items()}:
        raise Damaged(f"{manifest.name}: its manifest and its sidecar name other files or digests")
    if saved.name != manifest.name or ids.checkpoint_id(saved.hero, saved.name) != manifest.asset_id:
        raise Damaged(f"{manifest.name}: its sidecar is that of {saved.name} of {saved.hero}")


@contextmanager
def _in_words(folder: Path) -> Iterator[None]:
    """Errors of the disk as the vault's."""
    try:
        yield
    except (AlreadyThere, Refused, Damaged):
        raise
    except OSError as error:
        raise refusal(error, folder) from error


def refusal(error: OSError, folder: Path) -> Refused:
    if full.is_full(error):
        return Refused(full.sentence(folder))
    return Refused(f"{folder} cannot be written: {error.strerror or error}")


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.is_symlink()
