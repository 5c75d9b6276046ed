"""B6: a person deletes and brings back, then rules are obeyed, killed at every changing call.

What must stay stays, and what is there is whole.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path

import django

from realm.world import World
from tests.campaigns import faults
from tests.campaigns.faults import Fault, Strike, calls_in
from tests.campaigns.report import Figure, none_of

SHELVES, QUICK_SHELVES, QUICK_POINTS = 12, 1, 4


def run(home: Path, *, seed: int, quick: bool, count: int | None) -> list[Figure]:
    """`count`: shelves; each is tried at every point, or at a few with `quick`."""
    _set_up(home / "empty")
    shelves = count or (QUICK_SHELVES if quick else SHELVES)
    tried, idle, gone, torn, stuck = 0, list[str](), list[str](), list[str](), list[str]()
    for number in range(shelves):
        for fault in _faults(home / f"{number}", seed + number, quick=quick):
            tried += 1
            place = home / f"{number}-{tried}"
            shutil.copytree(home / f"{number}", place, symlinks=True)
            code = _apply(place, fault)
            idle += [str(fault)] if code != -signal.SIGKILL else []
            stuck += [f"{fault} of shelf {number}"] if _apply(place) else []
            missing, damaged = _wrongs(place)
            gone += [f"{fault} of shelf {number}: {each}" for each in missing]
            torn += [f"{fault} of shelf {number}: {each}" for each in damaged]
            shutil.rmtree(place)
    return [
        Figure(
            promise="B6",
            what="a person deletes and undoes, rules are obeyed; killed at",
            figure=f"{tried} {faults.how()}, {shelves} shelves",
        ),
        none_of("B6", "kills that did not happen", idle, tried),
        none_of("B6", "what must stay is gone", gone, tried),
        none_of("B6", "checkpoints, in place or in the trash, that are not whole", torn, tried),
        none_of("B6", "did not go on by itself", stuck, tried),
    ]


def _set_up(home: Path) -> None:
    os.environ["REALM_HOME"] = str(home)
    os.environ["DJANGO_SETTINGS_MODULE"] = "realm.settings"
    django.setup()
    from realm.databases import database

    faults.has_strace()  # found out once, and not by each child
    database.make_ready(World(home))
    _leave()


def _faults(template: Path, seed: int, *, quick: bool) -> list[Fault]:
    """Draw a shelf into `template`; one fault for each changing call of an undisturbed try in a copy of it."""
    shutil.copytree(template.parent / "empty", template)
    if _in_a_fork(template, lambda world: _draw(world, seed)):
        raise RuntimeError(f"the shelf of seed {seed} could not be drawn")
    calm = template.with_name(f"{template.name}-calm")
    shutil.copytree(template, calm, symlinks=True)
    trace = template.with_name(f"{template.name}.trace")
    if _apply(calm, trace=trace):
        raise RuntimeError(f"the rules could not be obeyed on the shelf of seed {seed}")
    counts = calls_in(trace)
    found = [Fault(call=call, number=number, effect="kill") for call in counts for number in range(1, counts[call] + 1)]
    return random.Random(seed).sample(found, min(QUICK_POINTS, len(found))) if quick else found


def _draw(world: World, seed: int) -> None:
    from tests.campaigns import random_shelves

    random_shelves.draw(world, seed)


def _apply(home: Path, fault: Fault | None = None, *, trace: Path | None = None) -> int:
    def work(world: World) -> None:
        from tests.campaigns import random_shelves
        from vault.treasury import shelf

        drawn = random_shelves.drawn_before(world)
        with random_shelves.hosting(world, drawn):
            strike = Strike(fault, trace=trace or home / "trace") if fault or trace else None
            random_shelves.delete_and_undo(world, drawn)
            shelf.apply(world, drawn.config, random_shelves.HERO, by="arena")
            if strike:
                strike.lift()

    return _in_a_fork(home, work)


def _wrongs(home: Path) -> tuple[list[str], list[str]]:
    from tests.campaigns import random_shelves

    return random_shelves.wrongs(World(home), random_shelves.drawn_before(World(home)))


def _in_a_fork(home: Path, work: Callable[[World], None]) -> int:
    """Exit code of a process that did `work` in the world of `home`; negative for a signal."""
    child = os.fork()
    if child:
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    try:
        from django.conf import settings
        from django.db import connection

        settings.WORLD = World(home)
        connection.settings_dict["NAME"] = str(settings.WORLD.database)
        work(settings.WORLD)
    except BaseException:
        traceback.print_exc()
        os._exit(1)
    os._exit(0)


def _leave() -> None:
    """No child may inherit an open database."""
    from django.db import connections

    connections.close_all()
