"""Campaigns with a guard taken out, in a process of their own: `python -m tests.campaigns.sabotaged NAME`.

Each must find what the guard holds back. They fork, so they cannot run where torch has computed before.
"""

from __future__ import annotations

import functools
import random
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arena.training.saving import full_disk
from realm.checkpoints import sidecar
from realm.disk import durable
from tests.campaigns import battles, disk, flip, kill_points, swap
from tests.campaigns.report import Figure, show_json
from tests.support import injected

SEED = 3


def no_digests(folder: Path) -> list[Figure]:
    """Sizes and names are compared, contents are not."""
    sidecar.verify = functools.partial(sidecar.verify, quick=True)
    return flip.refusals("flipped bit", [flip.trained(folder / "full", "full")], 12, random.Random(SEED))


def no_temp_folder(folder: Path) -> list[Figure]:
    """A checkpoint is written under its final name from the start."""

    @contextmanager
    def new_folder(final: Path) -> Iterator[Path]:
        final.mkdir()
        yield final

    durable.new_folder = new_folder
    return kill_points.of_a_save(folder, seed=SEED, quick=True)


def no_waiting_for_room(folder: Path) -> list[Figure]:
    """A full disk is an error like any other."""
    full_disk.FULL = frozenset()
    points = battles.points(folder / "count")
    chosen = [point for point in points if point[0] == "mkdir"][:1]
    return disk.refused_space(folder / "space", battles.undisturbed(folder / "undisturbed"), chosen)


def unsynced_is_saved(folder: Path) -> list[Figure]:
    """An fsync that fails goes unheard."""
    sync_file = durable.os.fsync

    def deaf(handle: int) -> None:
        with suppress(OSError):
            sync_file(handle)

    durable.os.fsync = deaf
    points = [point for point in battles.points(folder / "count") if point[0] == "fsync"][:2]
    return disk.failing_disk(folder / "dying", battles.undisturbed(folder / "undisturbed"), points)


def one_current_model(folder: Path) -> list[Figure]:
    """The host writes by the model that was loaded last, whichever a request has taken."""
    path = injected.at_start(folder, _CURRENT)
    return swap.run(folder, seed=SEED, quick=False, count=5000, until_wrong=True, PYTHONPATH=path)


_CURRENT = """
from arena.oracle import host, loaded_models

write, put, current = host._write, loaded_models.Shelf.put, []

def note(table, model):
    current[:] = [model]
    return put(table, model)

loaded_models.Shelf.put = note
host._write = lambda model, rows, ended: write(current[0], rows, ended)
"""


_ALL = (no_digests, no_temp_folder, no_waiting_for_room, unsynced_is_saved, one_current_model)
SABOTAGES = {each.__name__: each for each in _ALL}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="realm-campaign-") as scratch:
        show_json(SABOTAGES[sys.argv[1]](Path(scratch)))
