"""A rehearsal of coming back: one checkpoint of the newest snapshot, brought elsewhere and held against its digests."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import SIDECAR, DamagedCheckpoint
from realm.disk.durable import TEMP_PREFIX
from realm.world import World
from vault import chronicle
from vault.archivist import engines, manifest, snapshots
from vault.archivist.manifest import WORLD
from vault.archivist.rules import Rules
from vault.archivist.snapshots import Snapshot
from vault.assets.ids import checkpoint_id
from vault.errors import Damaged, NotFound


@dataclass(frozen=True, kw_only=True)
class Rehearsed:
    snapshot: str
    checkpoint: str
    """As `hero/name`."""
    source: str
    """`folder`, or the program from whose repository it came."""
    bytes: int
    seconds: float


def rehearse(world: World, rules: Rules, *, by: str = "command line", seed: int | None = None) -> Rehearsed:
    """Nothing of the world is touched. Raises NotFound, Damaged naming the file, EngineFailed, OSError."""
    begun, snapshot = time.monotonic(), snapshots.newest(world)
    if snapshot is None:
        raise NotFound("there is no snapshot to rehearse with: manage.py vault snapshot")
    known = manifest.read(snapshot.path).checkpoints
    if not known:
        raise NotFound(f"{snapshot.name} holds no checkpoint to rehearse with")
    path = random.Random(seed).choice(sorted(known))
    with tempfile.TemporaryDirectory(prefix=f"{TEMP_PREFIX}rehearsal-") as temp:
        size = _hold_against(_bring_back(rules, snapshot, path, Path(temp)), known[path])
    hero, name = path.split("/")[-2:]
    chronicle.record(
        world, "verify", by=by, asset_id=checkpoint_id(hero, name), snapshot=snapshot.name, source=rules.engine
    )
    return Rehearsed(
        snapshot=snapshot.name,
        checkpoint=f"{hero}/{name}",
        source=rules.engine,
        bytes=size,
        seconds=time.monotonic() - begun,
    )


def _bring_back(rules: Rules, snapshot: Snapshot, path: str, temp: Path) -> Path:
    if rules.engine != "folder":
        return engines.bring_back(rules, snapshot, path, temp)
    copied = temp / Path(path).name
    shutil.copytree(snapshot.path / WORLD / path, copied, symlinks=True)
    return copied


def _hold_against(folder: Path, digest: str) -> int:
    try:
        if sidecar.digest(folder / SIDECAR) != digest:
            raise Damaged(f"{folder.name}: {SIDECAR} is not the one that the snapshot was taken with")
        return sum(proof.size_bytes for proof in sidecar.verify(folder).files.values())
    except FileNotFoundError:
        raise Damaged(f"{folder.name}: {SIDECAR} is missing in what came back") from None
    except DamagedCheckpoint as error:
        raise Damaged(str(error)) from error
