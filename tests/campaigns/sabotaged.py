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
from tests.campaigns import battles, disk, flip, floods, hostile, kill_points, slow_writers, swap, twins, two_daemons
from tests.campaigns.report import Figure, show_json
from tests.campaigns.resting import resting_arena
from tests.support import injected, tiny_hero

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


def no_strict_json(folder: Path) -> list[Figure]:
    """In every process of the arena, of two equal keys the last one wins."""
    loosening = "from arena.rows import parse\nparse._is_plainly_right = lambda value, data: True\n"
    kinds, path = ("twice: key twice", "nested: deep lists"), injected.without_training(folder, everywhere=loosening)
    return hostile.run(folder, seed=SEED, quick=True, count=6, kinds=kinds, compared=False, PYTHONPATH=path)


def no_lock(folder: Path) -> list[Figure]:
    """Every process believes that it has the daemon's lock."""
    unlocking = "import realm.disk.locks\nrealm.disk.locks.try_lock = lambda handle: True\n"
    arena = resting_arena(folder / "world", _base(folder), PYTHONPATH=injected.with_django(folder, unlocking))
    return two_daemons.races_for_the_lock(arena, 2)


def no_twins(folder: Path) -> list[Figure]:
    """Contents are not compared with those of other quests."""
    forgetting = "import arena.queue.admission\narena.queue.admission._twin = lambda world, sha256, quest: None\n"
    path = injected.with_django(folder, forgetting)
    return twins.run(folder / "world", _base(folder), seed=SEED, drops=10, PYTHONPATH=path)


def no_writer_check(folder: Path) -> list[Figure]:
    """A file counts as whole as soon as it has been still for the settle time."""
    path = injected.at_start(folder, "from arena.queue import inbox\ninbox._has_writer = lambda path: False\n")
    return slow_writers.run(folder / "world", _base(folder), seed=SEED, writers=5, held_seconds=2, PYTHONPATH=path)


def only_what_is_told(folder: Path) -> list[Figure]:
    """Files are taken when an event names them; nobody looks into the inbox."""
    path = injected.with_django(folder, _ONLY_TOLD)
    return floods.overflow(folder / "world", _base(folder), files=20, timeout_seconds=6, PYTHONPATH=path)


_ONLY_TOLD = """
import os

from arena.daemon import file_events
from arena.queue import inbox

told, hear, candidates = set(), file_events._Bell.on_any_event, inbox._candidates

def note(bell, event):
    told.update(map(os.fsdecode, (event.src_path, event.dest_path)))
    hear(bell, event)

file_events._Bell.on_any_event = note
inbox._candidates = lambda folder: [path for path in candidates(folder) if str(path) in told]
"""


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


def _base(folder: Path) -> Path:
    return tiny_hero.make_base(folder / "base")


_ALL = (
    no_digests, no_temp_folder, no_waiting_for_room, unsynced_is_saved, no_strict_json, no_lock, no_twins,
    no_writer_check, only_what_is_told, one_current_model,
)  # fmt: skip
SABOTAGES = {each.__name__: each for each in _ALL}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="realm-campaign-") as scratch:
        show_json(SABOTAGES[sys.argv[1]](Path(scratch)))
