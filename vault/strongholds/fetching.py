"""Brings a copy here: each chunk is held against its digest before it is kept, and the whole appears in one rename.

What was begun lies beside its target under a temporary name, and the next try goes on with it. No Django.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

from realm.checkpoints.sidecar import CHUNK_BYTES, FileProof
from realm.disk import durable, full
from vault.assets.manifest import Manifest
from vault.errors import Damaged, Refused
from vault.strongholds.contract import Progress

ReadAt = Callable[[str, int, int], bytes]
"""Bytes of a member: its path below the asset, offset and length."""
TRIES = 2


def receive(manifest: Manifest, target: Path, read_at: ReadAt, *, progress: Progress) -> None:
    """Raises Damaged naming a file, Refused where `target` is taken or the disk is full, and what `read_at` raises."""
    if os.path.lexists(target):
        raise Refused(f"{target} exists already; nothing is overwritten")
    temp = target.with_name(f"{durable.TEMP_PREFIX}fetch-{manifest.record_sha256[:12]}-{target.name}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        done = 0
        _drop_strangers(temp, manifest)
        for path in manifest.order:
            proof = manifest.files[path]
            member = temp if manifest.is_file else temp / path
            member.parent.mkdir(parents=True, exist_ok=True)
            done = _receive_member(path, proof, member, read_at, progress, done)
        _name(temp, target)
    except OSError as error:
        _remove(temp)
        if full.is_full(error):
            raise Refused(full.sentence(target.parent)) from error
        raise Refused(f"{target} cannot be written: {error.strerror}") from error


def _receive_member(path: str, proof: FileProof, member: Path, read_at: ReadAt, progress: Progress, done: int) -> int:
    """Bytes of the asset that are done then."""
    whole = hashlib.sha256()
    with open(member, "a+b") as file:
        have = _keep_right_chunks(file, proof, whole)
        while have < proof.size_bytes:
            progress(done + have, path)
            piece = _right_piece(path, proof, have, read_at)
            file.write(piece)
            whole.update(piece)
            have += len(piece)
        file.flush()
        os.fsync(file.fileno())
    if whole.hexdigest() != proof.sha256:
        member.unlink()
        raise Damaged(f"{path} is not what its digest says")
    progress(done + have, path)
    return done + have


def _keep_right_chunks(file: BinaryIO, proof: FileProof, whole: Any) -> int:
    """Length of what is here already and right, chunk by chunk; the rest is cut off."""
    have = 0
    file.seek(0)
    for expected in proof.chunk_digests():
        piece = file.read(CHUNK_BYTES)
        if not piece or hashlib.sha256(piece).hexdigest() != expected:
            break
        whole.update(piece)
        have += len(piece)
    file.truncate(have)
    return have


def _right_piece(path: str, proof: FileProof, offset: int, read_at: ReadAt) -> bytes:
    """The chunk at `offset`, asked for anew where it came damaged; raises Damaged where it lies so."""
    length = min(CHUNK_BYTES, proof.size_bytes - offset)
    expected = proof.chunk_digests()[offset // CHUNK_BYTES] if proof.chunk_digests() else None
    for _ in range(TRIES):
        piece = read_at(path, offset, length)
        if len(piece) == length and expected in (None, hashlib.sha256(piece).hexdigest()):
            return piece
    raise Damaged(f"{path}: bytes {offset:,} to {offset + length:,} are not what their digest says")


def _drop_strangers(temp: Path, manifest: Manifest) -> None:
    """What lies among the parts and is none, a link say, must not appear with them."""
    if temp.is_symlink() or (temp.exists() and temp.is_dir() == manifest.is_file):
        _remove(temp)
    for path in sorted(temp.rglob("*"), reverse=True) if temp.is_dir() else ():
        is_folder = path.is_dir() and not path.is_symlink()
        if path.is_symlink() or (not is_folder and path.relative_to(temp).as_posix() not in manifest.files):
            path.unlink()


def _name(temp: Path, target: Path) -> None:
    """The whole asset appears under its name."""
    folders = [path for path in temp.rglob("*") if path.is_dir()] if temp.is_dir() else []
    for folder in [*sorted(folders, reverse=True), *([temp] if temp.is_dir() else [])]:
        durable.sync_folder(folder)
    durable.move(temp, target)


def _remove(temp: Path) -> None:
    if temp.is_dir() and not temp.is_symlink():
        shutil.rmtree(temp, ignore_errors=True)
    else:
        temp.unlink(missing_ok=True)
