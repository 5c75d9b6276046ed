"""Whether a checkpoint is what it was when it was saved; every file that is not is named, and every chunk of it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from django.utils import timezone

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import CHUNK_BYTES, SIDECAR, DamagedCheckpoint, FileProof, Sidecar
from realm.disk.regular_files import UnfitFile, open_regular
from realm.world import World
from vault import chronicle
from vault.assets.ids import checkpoint_id
from vault.ledger.folders import folder_of
from vault.models import Checkpoint, Location
from vault.strongholds.contract import Progress, unheard

HERE = "local"
"""The stronghold that is this world."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    file: str
    what: str
    """Behind the file's name, as in a sentence."""
    chunks: tuple[int, ...] = ()
    """Of CHUNK_BYTES, counted from 0, whose digests differ; empty where they cannot tell."""

    def __str__(self) -> str:
        return f"{self.file} {self.what}"


@dataclass(frozen=True, kw_only=True)
class Verified:
    hero: str
    name: str
    quick: bool
    """Names and sizes alone were compared."""
    files: int
    size_bytes: int
    """Of what its sidecar proves."""
    faults: tuple[Fault, ...]

    @property
    def whole(self) -> bool:
        return not self.faults

    def __str__(self) -> str:
        """One sentence."""
        if self.faults:
            return f"{self.name} is damaged: {'; '.join(map(str, self.faults))}"
        how = "names and sizes are" if self.quick else "every byte is"
        return f"{self.name} is whole: {how} as saved ({self.files} files, {self.size_bytes} bytes)"


def verify(
    world: World, hero: str, name: str, *, quick: bool = False, by: str, progress: Progress = unheard
) -> Verified:
    """What was found; a full one is remembered in its row and in the vault's chronicle.

    Raises NotFound, also where it is deleted meanwhile.
    """
    is_changed = True
    while is_changed:
        sidecar_sha256 = _digest_of(folder_of(world, hero, name) / SIDECAR)
        found = inspect(world.heroes / hero / name, quick=quick, progress=progress)
        # What was thinned or deleted while it was read looks damaged.
        is_changed = not found.whole and sidecar_sha256 != _digest_of(folder_of(world, hero, name) / SIDECAR)
    if not quick:
        _remember(world, hero, found, sidecar_sha256, by=by)
    return found


def _digest_of(path: Path) -> str:
    """Empty of what cannot be read."""
    try:
        return sidecar.digest(path)
    except (DamagedCheckpoint, OSError):
        return ""


def inspect(folder: Path, *, quick: bool = False, progress: Progress = unheard) -> Verified:
    """As `verify`, of any folder; nothing is written."""
    hero, name = folder.parent.name, folder.name
    try:
        saved = sidecar.read(folder)
    except (DamagedCheckpoint, OSError) as damage:
        fault = Fault(file=SIDECAR, what=str(damage).partition(f"{SIDECAR} ")[2] or f"cannot be read: {damage}")
        return Verified(hero=hero, name=name, quick=quick, files=0, size_bytes=0, faults=(fault,))
    faults = [*_misplaced(saved, hero, name), *_of_files(folder, saved, quick=quick, progress=progress)]
    size = sum(proof.size_bytes for proof in saved.files.values())
    return Verified(hero=hero, name=name, quick=quick, files=len(saved.files), size_bytes=size, faults=tuple(faults))


def _misplaced(saved: Sidecar, hero: str, name: str) -> list[Fault]:
    wrong = {"hero": (saved.hero, hero), "name": (saved.name, name)}
    return [
        Fault(file=SIDECAR, what=f"belongs to the {key} {told}") for key, (told, is_) in wrong.items() if told != is_
    ]


def _of_files(folder: Path, saved: Sidecar, *, quick: bool, progress: Progress) -> list[Fault]:
    try:
        present = sidecar.files_of(folder)
    except FileNotFoundError:  # it is deleted meanwhile
        present = {}
    faults, done = [], 0
    for name in sorted({*present, *saved.files} - sidecar.left_behind(saved)):
        proof = saved.files.get(name)
        if proof is None:
            faults.append(Fault(file=name, what="is not in its sidecar"))
        elif name not in present:
            faults.append(Fault(file=name, what="is missing"))
        else:
            fault = _of_file(name, present[name], proof, quick=quick, heard=_from(done, name, progress))
            faults += [fault] if fault else []
        done += proof.size_bytes if proof else 0
    return faults


def _from(done: int, name: str, progress: Progress) -> Callable[[int], None]:
    return lambda size: progress(done + size, f"reads {name}")


def _of_file(name: str, path: Path, proof: FileProof, *, quick: bool, heard: Callable[[int], None]) -> Fault | None:
    try:
        with open_regular(path) as file:
            size, chunks = os.fstat(file.fileno()).st_size, list[str]()
            if quick:
                return None if size == proof.size_bytes else _resized(name, size, proof)
            whole = hashlib.sha256()
            while data := file.read(CHUNK_BYTES):
                whole.update(data)
                chunks.append(hashlib.sha256(data).hexdigest())
                heard(min(len(chunks) * CHUNK_BYTES, proof.size_bytes))
    except UnfitFile:
        return Fault(file=name, what="is no regular file")
    except OSError as error:
        return Fault(file=name, what=f"cannot be read: {error.strerror}")
    if size == proof.size_bytes and whole.hexdigest() == proof.sha256:
        return None
    damaged = _damaged_chunks(chunks, proof)
    if size != proof.size_bytes:
        return _resized(name, size, proof, damaged)
    what = f"has changed since it was saved (SHA-256 differs{_where(damaged, proof)})"
    return Fault(file=name, what=what, chunks=damaged)


def _resized(name: str, size: int, proof: FileProof, damaged: tuple[int, ...] = ()) -> Fault:
    what = f"has {size} bytes and had {proof.size_bytes} when it was saved{_where(damaged, proof)}"
    return Fault(file=name, what=what, chunks=damaged)


def _damaged_chunks(found: list[str], proof: FileProof) -> tuple[int, ...]:
    saved = proof.chunk_digests()
    same = {number for number, (old, new) in enumerate(zip(saved, found, strict=False)) if old == new}
    return tuple(number for number in range(len(saved)) if number not in same)


def _where(damaged: tuple[int, ...], proof: FileProof) -> str:
    if not damaged or len(proof.chunk_digests()) < 2:
        return ""
    named = ", ".join(str(number) for number in damaged[:5]) + (", ..." if len(damaged) > 5 else "")
    return f", in {len(damaged)} of {len(proof.chunk_digests())} chunks of {CHUNK_BYTES} bytes: {named}"


def _remember(world: World, hero: str, found: Verified, sidecar_sha256: str, *, by: str) -> None:
    asset_id, now = checkpoint_id(hero, found.name), timezone.now()
    damaged = {"damaged": [str(fault) for fault in found.faults]} if found.faults else {}
    chronicle.record(
        world, "verify", by=by, asset_id=asset_id, sidecar_sha256=sidecar_sha256, bytes=found.size_bytes, **damaged
    )
    verified_at = now if found.whole else None
    Checkpoint.objects.filter(hero=hero, name=found.name, sidecar_sha256=sidecar_sha256).update(verified_at=verified_at)
    Location.objects.filter(asset__asset_id=asset_id, stronghold=HERE).update(
        state=Location.State.PRESENT if found.whole else Location.State.DAMAGED,
        seen_at=now,
        verified_at=verified_at,
        reason="" if found.whole else str(found)[:500],
    )
