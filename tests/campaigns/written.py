"""What battles have written, read without torch, which takes seconds to import."""

from __future__ import annotations

from pathlib import Path

from arena.protocol import STEPS_FILE, StepRecord
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import DamagedCheckpoint


def unreadable(hero_folder: Path) -> list[str]:
    """Checkpoints under a final name that are not whole, in words."""
    found = []
    for folder in checkpoint_folders(hero_folder) if hero_folder.is_dir() else []:
        try:
            sidecar.verify(folder)
        except DamagedCheckpoint as damage:
            found.append(str(damage))
    return found + [path.name for path in hero_folder.glob("damaged-*")]


def steps_of(battle: Path) -> list[StepRecord]:
    data = (battle / STEPS_FILE).read_bytes()
    return [StepRecord.unpack(data[at : at + StepRecord.SIZE]) for at in range(0, len(data), StepRecord.SIZE)]
