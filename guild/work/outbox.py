"""Quests that a worker made reach the inbox of the Task Master's world by way of the database.

A worker puts them into a folder of the run's own. They are stored in the transaction that completes the run: there are
all of a completed run and none of any other. The Task Master writes each into its inbox, and only then forgets it. If
it is killed between the two, the quest comes again, and the gatekeepers know its rows.
"""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from typing import Any

from guild.errors import GuildError
from guild.models import Made, Run
from realm.disk import durable
from realm.world import World

LARGEST_BYTES = 64 * 2**20
"""Of a quest's rows, packed."""
_OTHER_NAMES = 1000


@contextmanager
def of_run(world: World, run: Run) -> Iterator[Path | None]:
    """An empty folder for what a worker makes; None where this machine's own inbox is meant."""
    if not run.claim:
        yield None
        return
    folder = world.uploads / f"run-{run.pk}-{run.claim}"
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def told(result: Any, inbox: Path | None) -> dict[str, Any]:
    """The result as it is kept: a quest's file is named as it will lie in the world."""
    kept = asdict(result)
    if inbox and kept.get("file"):
        (path,) = inbox.rglob(Path(kept["file"]).name)
        kept["file"] = f"inbox/{path.relative_to(inbox).as_posix()}"
    return kept


def ship(run: Run, inbox: Path) -> None:
    """Store what lies in the folder, in the caller's transaction. Raises GuildError for more than a row can hold."""
    for path in sorted(path for path in inbox.rglob("*") if path.is_file()):
        packed = gzip.compress(path.read_bytes())
        if len(packed) > LARGEST_BYTES:
            raise GuildError(f"{path.name} is larger than a worker can send; forge it where the hero trains")
        Made.objects.create(run=run, path=path.relative_to(inbox).as_posix(), packed=packed)


def bring_home(world: World) -> list[Path]:
    """Into this world's inbox with what has arrived; the files. Raises OSError."""
    found = []
    for made in Made.objects.order_by("id"):
        target = _free_place(world.inbox, PurePosixPath(made.path))
        target.parent.mkdir(exist_ok=True)
        durable.create_bytes(target, gzip.decompress(made.packed))
        made.delete()
        found.append(target)
    return found


def _free_place(inbox: Path, path: PurePosixPath) -> Path:
    """A name that is taken gets a number, as any file's in the inbox."""
    names = [path.name, *(f"{path.stem}-{number}{path.suffix}" for number in range(2, _OTHER_NAMES))]
    return next(place for name in names if not (place := inbox / path.parent / name).exists())
