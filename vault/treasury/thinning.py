"""A thinned checkpoint keeps its weights alone: it still answers, and who goes on from it gets a fresh optimizer.

The sidecar is sealed anew first, in one rename, and keeps the digests of what goes; then the files go. A kill in
between leaves them behind, and whoever proves the checkpoint passes them over: it is whole before and after.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from realm.checkpoints import sidecar
from realm.checkpoints.moments import MOMENT_FILES
from realm.checkpoints.sidecar import Sidecar, Thinned
from realm.disk import durable
from realm.world import World
from vault import index


def moments_bytes(saved: Sidecar) -> int:
    """What thinning it would free."""
    return sum(proof.size_bytes for name, proof in saved.files.items() if name in MOMENT_FILES)


def thin(world: World, hero: str, name: str) -> int:
    """Take the moments out of a checkpoint; the bytes that this frees, 0 where it had none.

    The caller holds the treasury and has asked whether somebody may go on from it. Safe to repeat after a kill at any
    point. Raises DamagedCheckpoint for one that is not whole: then nothing is changed.
    """
    folder = world.heroes / hero / name
    saved = sidecar.verify(folder, quick=True)
    went = {file: proof for file, proof in saved.files.items() if file in MOMENT_FILES}
    if went:
        rest = {file: proof for file, proof in saved.files.items() if file not in went}
        moment = datetime.now().astimezone().isoformat(timespec="seconds")
        sidecar.write(folder, replace(saved, files=rest, thinned=Thinned(at=moment, files=went)))
    for file in MOMENT_FILES:
        (folder / file).unlink(missing_ok=True)
    durable.sync_folder(folder)
    index.index_checkpoint(world, hero, name)
    return sum(proof.size_bytes for proof in went.values())
