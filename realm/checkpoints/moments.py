"""The optimizer's moments, which most of a checkpoint's bytes are, and how they are taken out of it.

A checkpoint without them still answers; who goes on from it gets a fresh optimizer. The sidecar is sealed anew first,
in one rename, and keeps the digests of what goes; then the files go. A kill in between leaves them behind, and whoever
proves the checkpoint passes them over: it is whole before and after. Standard library only.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import Thinned
from realm.disk import durable

OPTIMIZER_FILE = "optimizer.safetensors"
COMPRESSED_FILE = f"{OPTIMIZER_FILE}.zst"
"""The same, as a frame of Zstandard."""
MOMENT_FILES = (OPTIMIZER_FILE, COMPRESSED_FILE)


def size_of(folder: Path) -> int:
    """Bytes that taking them out would free."""
    return sum((folder / name).stat().st_size for name in MOMENT_FILES if (folder / name).is_file())


def take_out(folder: Path) -> int:
    """The bytes that this frees, 0 where there were none; safe to repeat after a kill at any point.

    Raises DamagedCheckpoint for one that is not whole by names and sizes: then nothing is changed.
    """
    saved = sidecar.verify(folder, quick=True)
    freed = size_of(folder)
    went = {name: proof for name, proof in saved.files.items() if name in MOMENT_FILES}
    if went:
        rest = {name: proof for name, proof in saved.files.items() if name not in went}
        moment = datetime.now().astimezone().isoformat(timespec="seconds")
        sidecar.write(folder, replace(saved, files=rest, thinned=Thinned(at=moment, files=went)))
    for name in MOMENT_FILES:
        (folder / name).unlink(missing_ok=True)
    durable.sync_folder(folder)
    return freed
