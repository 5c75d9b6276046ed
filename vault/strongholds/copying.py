"""A stronghold over any storage of files: members first, the record last, every byte read back before it is a copy.

What lies at the root of one that was used before is known by a marker: a NAS that is not mounted leaves an empty
folder, and an empty folder is not believed. No Django.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from realm.checkpoints.sidecar import CHUNK_BYTES, SIDECAR, FileProof
from realm.disk import durable
from realm.disk.regular_files import UnfitFile, open_regular
from vault.assets.ids import CHECKPOINT
from vault.assets.manifest import Manifest, of_sidecar
from vault.errors import Damaged, NotFound, Refused, Unreachable
from vault.strongholds import fetching, places
from vault.strongholds.backend import Backend, Listing, part_of
from vault.strongholds.contract import Progress, StoredAsset, unheard
from vault.strongholds.places import Place

MARKER = ".realm-stronghold.json"
DEEPEST = 8
"""Folders below the root in which copies are looked for."""
TRIES = 2


class FileStronghold:
    def __init__(self, backend: Backend, *, writer: str, known: bool = False) -> None:
        """`writer` names this world among all that write there; `known`: it had copies there before."""
        self.name = backend.name
        self._backend, self._writer, self._known = backend, writer, known

    def assets(self) -> Iterator[StoredAsset]:
        self._check_there()
        yield from self._walk("", DEEPEST)
        self._check_there()

    def _walk(self, folder: str, depth: int) -> Iterator[StoredAsset]:
        found = self._backend.listing(folder)
        if SIDECAR in found.files:
            yield from self._found(folder, CHECKPOINT)
            return
        for name in sorted(found.files):
            if name.endswith(places.SUFFIX):
                yield from self._found(_join(folder, name.removesuffix(places.SUFFIX)), "")
        for name in sorted(found.folders) if depth else ():
            if not name.startswith(".") and f"{name}{places.SUFFIX}" not in found.files:
                yield from self._walk(_join(folder, name), depth - 1)

    def _found(self, path: str, kind: str) -> Iterator[StoredAsset]:
        """What is damaged is no whole copy; who knew it asks for its manifest, and reads why."""
        try:
            yield _stored(self._manifest_at(path, kind), path)
        except (Damaged, NotFound):
            return

    def manifest(self, stored: StoredAsset) -> Manifest:
        try:
            found = self._manifest_at(stored.path, stored.kind)
        except NotFound:
            self._check_there()
            raise
        if found.asset_id != stored.asset_id:
            raise Damaged(f"{self.name}: at {stored.path} lies {found.asset_id} and not {stored.asset_id}")
        return found

    def _manifest_at(self, path: str, kind: str) -> Manifest:
        record = f"{path}/{SIDECAR}" if kind == CHECKPOINT else f"{path}{places.SUFFIX}"
        size = self._backend.size(record)
        if size is None:
            raise NotFound(f"{self.name} has no whole copy at {path}")
        if size > places.LARGEST_RECORD:
            raise Damaged(f"{record} is damaged: {size:,} bytes are too many")
        data = b"".join(self._backend.read(record))
        if kind == CHECKPOINT:
            return of_sidecar(places.checkpoint_id_at(path, data), PurePosixPath(path).name, data)
        return places.decode(path, data)

    def put(self, source: Path, manifest: Manifest, *, progress: Progress = unheard) -> StoredAsset:
        self._claim()
        place = places.place_of(manifest)
        if (whole := self._whole_there(manifest, place, progress)) is not None:
            return whole
        try:
            return self._put_all(source, manifest, place, progress)
        except NotFound as error:  # what was there an instant ago
            self._check_marked()
            raise Unreachable(f"{error}: somebody takes away what is copied there") from error

    def _put_all(self, source: Path, manifest: Manifest, place: Place, progress: Progress) -> StoredAsset:
        self._backend.remove(place.record)  # from here on it does not exist there until it is whole again
        done = 0
        for path in manifest.order:
            proof = manifest.files[path]
            if place.member(path) != place.record:
                self._check_marked()
                self._put_member(source if manifest.is_file else source / path, place.member(path), proof)
            done += proof.size_bytes
            progress(done, path)
        self._check_marked()
        self._put_record(source, manifest, place)
        return _stored(manifest, place.path)

    def _whole_there(self, manifest: Manifest, place: Place, progress: Progress) -> StoredAsset | None:
        """What is whole is left, and so is what holds more of the same checkpoint than is to be copied."""
        try:
            there = self._manifest_at(place.path, manifest.kind)
        except (NotFound, Damaged):
            return None
        if not are_of_one(there, manifest):
            raise Refused(f"{self.name}: at {place.path} lies another {manifest.asset_id}; nothing is overwritten")
        if set(manifest.files) - set(there.files):
            return None
        stored = _stored(there, place.path)
        try:
            self.verify(stored, progress=progress)
        except Damaged:
            if set(there.files) - set(manifest.files):
                raise
            return None
        return stored

    def _put_member(self, source: Path, path: str, proof: FileProof) -> None:
        if self._backend.size(path) == proof.size_bytes and self._is_right(path, proof):
            return
        for _ in range(TRIES):
            sent_to = self._send(source, path, proof)
            if self._is_right(sent_to, proof):
                if sent_to != path:
                    self._backend.rename(sent_to, path)
                return
            self._backend.remove(sent_to)
        raise Damaged(f"{self.name}: {path} came out of it otherwise than it was sent; nothing was copied")

    def _send(self, source: Path, path: str, proof: FileProof) -> str:
        """Where the bytes are then. Raises Damaged for a source that is not what its digest says."""
        target = part_of(path, self._writer) if self._backend.can_append else path
        try:
            with open_regular(source) as file:
                whole, sent = self._sent_before(target, file) if self._backend.can_append else (hashlib.sha256(), 0)
                file.seek(sent)
                self._backend.write(target, _hashed(file, whole), append=sent > 0)
        except (OSError, UnfitFile) as error:
            raise Damaged(f"{source} cannot be read: {error}") from error
        except Refused:  # there is no room left: what was begun must not take the rest of it
            self._backend.remove(target)
            raise
        if whole.hexdigest() != proof.sha256:
            self._backend.remove(target)
            raise Damaged(f"{source} is not what its digest says; nothing was copied")
        return target

    def _sent_before(self, part: str, file: BinaryIO) -> tuple[Any, int]:
        """Hash and length of what was sent before a cut, where it is how the file begins."""
        whole, length = hashlib.sha256(), 0
        if self._backend.size(part):
            for piece in self._backend.read(part):
                if piece != file.read(len(piece)):
                    self._backend.remove(part)
                    return hashlib.sha256(), 0
                whole.update(piece)
                length += len(piece)
        return whole, length

    def _put_record(self, source: Path, manifest: Manifest, place: Place) -> None:
        of_its_own = place.record == place.member(SIDECAR)
        try:
            data = (source / SIDECAR).read_bytes() if of_its_own else places.encode(manifest)
        except OSError as error:
            raise Damaged(f"{source / SIDECAR} cannot be read: {error}") from error
        digest = hashlib.sha256(data).hexdigest()
        if SIDECAR in manifest.files and digest != manifest.files[SIDECAR].sha256:
            raise Damaged(f"{source / SIDECAR} has changed meanwhile; nothing was copied")
        part = part_of(place.record, self._writer) if self._backend.can_append else place.record
        self._backend.write(part, iter([data]))
        if b"".join(self._backend.read(part)) != data:
            self._backend.remove(part)
            raise Damaged(f"{self.name}: {place.record} came out of it otherwise than it was sent; nothing was copied")
        if part != place.record:
            self._backend.rename(part, place.record)

    def get(self, stored: StoredAsset, target: Path, *, progress: Progress = unheard) -> None:
        manifest = self.manifest(stored)

        def read_at(path: str, offset: int, length: int) -> bytes:
            return self._backend.read_at(self._member(stored, manifest, path), offset, length)

        try:
            fetching.receive(manifest, target, read_at, progress=progress)
        except NotFound as error:
            self._check_there()
            raise Damaged(f"{self.name}: {stored.path}: a file is missing: {error}") from error
        except Damaged as error:
            raise Damaged(f"{self.name}: {stored.path}: {error}") from error

    def verify(self, stored: StoredAsset, *, progress: Progress = unheard) -> None:
        manifest, done = self.manifest(stored), 0
        for path in manifest.order:
            member, proof = self._member(stored, manifest, path), manifest.files[path]
            size = self._backend.size(member)
            if size is None:
                self._check_there()
                raise Damaged(f"{self.name}: {member} is missing")
            if size != proof.size_bytes or not self._is_right(member, proof):
                raise Damaged(f"{self.name}: {member} is not what its digest says")
            done += proof.size_bytes
            progress(done, path)

    def drop(self, stored: StoredAsset) -> None:
        self._check_there()
        place = places.place_at(stored.path, stored.asset_id, is_file=self._is_file(stored))
        self._backend.remove(place.record)
        if place.is_file:
            self._backend.remove(place.path)
            self._backend.prune(place.folder)
        else:
            self._drop_below(place.path)

    def _is_file(self, stored: StoredAsset) -> bool:
        return stored.kind != CHECKPOINT and self._backend.size(stored.path) is not None

    def _drop_below(self, folder: str) -> None:
        """Its record is gone: all that is left there is members, or was begun and never ended."""
        found = self._backend.listing(folder)
        for name in found.folders:
            self._drop_below(f"{folder}/{name}")
        for name in found.files:
            self._backend.remove(f"{folder}/{name}")
        self._backend.prune(folder)

    def free_bytes(self) -> int | None:
        return self._backend.free_bytes()

    def _is_right(self, path: str, proof: FileProof) -> bool:
        whole = hashlib.sha256()
        for piece in self._backend.read(path):
            whole.update(piece)
        return whole.hexdigest() == proof.sha256

    def _member(self, stored: StoredAsset, manifest: Manifest, path: str) -> str:
        return places.place_at(stored.path, stored.asset_id, is_file=manifest.is_file).member(path)

    def _claim(self) -> None:
        """Nothing is written where the marker is missing that was there: a copy would go beside the stronghold."""
        self._check_there()
        if self._backend.size(MARKER) is None:
            self._backend.write(MARKER, iter([durable.encode_json({"stronghold": self.name})]))
        self._known = True

    def _check_there(self) -> None:
        """Copies that others brought there by hand are believed without a marker, an empty root is not."""
        if self._known and self._backend.size(MARKER) is None and _is_empty(self._backend.listing("")):
            raise Unreachable(f"{self.name} is not there: its root is empty, as where nothing is mounted")

    def _check_marked(self) -> None:
        if self._backend.size(MARKER) is None:
            raise Unreachable(f"{self.name} is no longer there: its {MARKER} is gone, as where nothing is mounted")


def are_of_one(one: Manifest, other: Manifest) -> bool:
    """Whether they say the same of every file that both have, their records apart; one may have been thinned."""
    both = (set(one.files) & set(other.files)) - {SIDECAR}
    return bool(both) and all(one.files[path].sha256 == other.files[path].sha256 for path in both)


def _stored(manifest: Manifest, path: str) -> StoredAsset:
    return StoredAsset(
        asset_id=manifest.asset_id,
        kind=manifest.kind,
        name=manifest.name,
        path=path,
        size_bytes=manifest.size_bytes,
        created_at=_created_at(manifest.name).isoformat(),
        manifest_sha256=manifest.record_sha256,
    )


def _is_empty(found: Listing) -> bool:
    return not found.files and not found.folders


def _created_at(name: str) -> datetime:
    """Of a checkpoint by its name; of anything else it is the time at which it was found."""
    try:
        return datetime.strptime(name.split("-", 2)[2], "%Y%m%d-%H%M").replace(tzinfo=UTC)
    except (ValueError, IndexError):
        return datetime.now(UTC)


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder else name


def _hashed(file: Any, whole: Any) -> Iterator[bytes]:
    while piece := file.read(CHUNK_BYTES):
        whole.update(piece)
        yield piece
