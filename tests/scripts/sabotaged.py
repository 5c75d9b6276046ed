"""Campaigns with a guard taken out, in a process of their own: `python -m tests.scripts.sabotaged NAME`.

Each must find what the guard holds back. They fork, so they cannot run where torch has computed before.
"""

from __future__ import annotations

import functools
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from arena.training import room
from realm import durable, sidecar
from realm.world import CHECKOUT
from scripts.campaign import battles, disk, flip, hostile, kill_points
from scripts.campaign.report import Figure, show_json

SEED = 3


def no_digests(folder: Path) -> list[Figure]:
    """Sizes and names are compared, contents are not."""
    sidecar.verify = functools.partial(sidecar.verify, quick=True)
    return flip.run(folder, seed=SEED, quick=False, count=12)


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
    room.FULL = frozenset()
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


def no_strict_json(folder: Path) -> list[Figure]:
    """In every process of the arena, of two equal keys the last one wins."""
    loose = folder / "loose"
    loose.mkdir()
    loosening = "from arena import formats\nformats._is_plainly_right = lambda value, data: True\n"
    (loose / "sitecustomize.py").write_text(loosening)
    kinds, path = ("twice: key twice", "nested: deep lists"), os.pathsep.join([str(loose), str(CHECKOUT)])
    return hostile.run(folder, seed=SEED, quick=True, count=6, kinds=kinds, PYTHONPATH=path)


_ALL = (no_digests, no_temp_folder, no_waiting_for_room, unsynced_is_saved, no_strict_json)
SABOTAGES = {each.__name__: each for each in _ALL}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="realm-campaign-") as scratch:
        show_json(SABOTAGES[sys.argv[1]](Path(scratch)))
