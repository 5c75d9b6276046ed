"""From a folder of the player's into the queue: copies, of which the folder knows nothing."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from arena.queue import asking
from arena.queue.asking import Wanted
from arena.queue.inbox import has_writer
from arena.sources import folders
from arena.sources.folders import BadSource, SourceFile
from realm.disk import room
from realm.world import World


@dataclass
class Taken:
    paths: list[Path] = field(default_factory=list)
    """In the queue's lane."""
    troubles: list[str] = field(default_factory=list)
    """A sentence for each file that could not be copied."""


def take(world: World, folder: Path, names: Sequence[str], *, wanted: Wanted) -> Taken:
    """Copy files into a lane, where the gatekeepers look at each. Raises BadSource where there is no room for them."""
    taken = Taken()
    files = list(_found(folder, names, taken))
    size_bytes = sum(file.size_bytes for file in files)
    free = shutil.disk_usage(world.home).free
    if free < size_bytes + room.SPARE_BYTES:
        raise BadSource(
            f"There is no room: {size_bytes:,} bytes would be copied, {free:,} are free on the world's disk."
        )
    for file in files:
        try:
            if has_writer(file.path):
                taken.troubles.append(f"{file.name} is still being written; take it when it is whole.")
            else:
                taken.paths.append(asking.ask_file(world, file.path, wanted))
        except OSError as error:
            taken.troubles.append(f"{file.name} cannot be copied: {error.strerror}.")
    return taken


def _found(folder: Path, names: Sequence[str], taken: Taken) -> list[SourceFile]:
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(folders.find(folder, name))
        except BadSource as error:
            taken.troubles.append(str(error))
    return found
