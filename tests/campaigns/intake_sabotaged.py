"""Campaigns of the inbox with a guard taken out: `python -m tests.campaigns.intake_sabotaged NAME`.

Apart from `sabotaged`, whose campaigns train: these need no torch, which takes seconds to import.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.campaigns import floods, hostile, slow_writers, twins, two_daemons
from tests.campaigns.report import Figure, show_json
from tests.campaigns.resting import resting_arena
from tests.support import injected, tiny_hero

SEED = 3


def no_strict_json(folder: Path) -> list[Figure]:
    """In every process of the arena, of two equal keys the last one wins."""
    loosening = "from arena.rows import parse\nparse._is_plainly_right = lambda value, data: True\n"
    kinds, path = ("twice: key twice", "nested: deep lists"), injected.without_training(folder, everywhere=loosening)
    return hostile.run(folder, seed=SEED, quick=True, count=6, kinds=kinds, compared=False, PYTHONPATH=path)


def no_lock(folder: Path) -> list[Figure]:
    """Every process believes that it has the daemon's lock."""
    unlocking = "import realm.disk.locks\nrealm.disk.locks.try_lock = lambda handle: True\n"
    arena = resting_arena(folder / "world", _base(folder), PYTHONPATH=injected.without_training(folder, unlocking))
    return two_daemons.races_for_the_lock(arena, 2)


def no_twins(folder: Path) -> list[Figure]:
    """Contents are not compared with those of other quests."""
    forgetting = "import arena.queue.admission\narena.queue.admission._twin = lambda world, sha256, quest: None\n"
    path = injected.without_training(folder, forgetting)
    return twins.run(folder / "world", _base(folder), seed=SEED, drops=10, PYTHONPATH=path)


def no_writer_check(folder: Path) -> list[Figure]:
    """A file counts as whole as soon as it has been still for the settle time."""
    blinding = "from arena.queue import inbox\ninbox._has_writer = lambda path: False\n"
    path = injected.without_training(folder, everywhere=blinding)
    return slow_writers.run(folder / "world", _base(folder), seed=SEED, writers=1, held_seconds=60, PYTHONPATH=path)


def only_what_is_told(folder: Path) -> list[Figure]:
    """Files are taken when an event names them; nobody looks into the inbox."""
    path = injected.without_training(folder, _ONLY_TOLD)
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


def _base(folder: Path) -> Path:
    return tiny_hero.make_base(folder / "base")


_ALL = (no_strict_json, no_lock, no_twins, no_writer_check, only_what_is_told)
SABOTAGES = {each.__name__: each for each in _ALL}

if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="realm-campaign-") as scratch:
        show_json(SABOTAGES[sys.argv[1]](Path(scratch)))
