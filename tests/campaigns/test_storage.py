"""How the campaign `storage` sees a training that was held up, and a log that lacks steps."""

import os
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from arena.protocol import STEPS_FILE, StepRecord
from realm.world import World
from tests.campaigns import slow_mount, storage
from tests.campaigns.battles import steps_of
from tests.campaigns.report import Figure
from tests.campaigns.slow_mount import Watched
from tests.support import tiny_hero
from tests.support.live_arena import LiveArena
from tests.support.runs import run


@pytest.fixture
def arena(tmp_path: Path) -> LiveArena:
    """One whose battle was fought in this process; of a daemon it has nothing."""
    world = World(tmp_path / "world")
    world.create()
    scratch = tmp_path / "made"
    scratch.mkdir()
    order = tiny_hero.make_order(scratch, rows=160)
    order = replace(order, battle_folder=str(world.battles / "q-1"))
    Path(order.battle_folder).mkdir()
    order.write()
    run(order)
    return cast(LiveArena, SimpleNamespace(world=world))


def watched(arena: LiveArena) -> Watched:
    records = steps_of(arena.world.battles / "q-1")
    seen = Watched()
    seen.began, seen.ended, seen.heartbeat_seconds = records[0].time, records[-1].time, 3.0
    return seen


def kept(arena: LiveArena, seen: Watched) -> dict[str, bool]:
    figures: list[Figure] = list(slow_mount._figures(arena, seen, 5.0))
    return {figure.promise: figure.kept for figure in figures}


@pytest.mark.slow
def test_what_went_on_is_kept_and_what_was_held_up_is_not(arena: LiveArena) -> None:
    file = arena.world.battles / "q-1" / STEPS_FILE
    records = steps_of(file.parent)
    assert [record.step for record in records] == list(range(1, 18))
    assert len(storage._stalls(arena)) == 3  # of four saves
    assert kept(arena, watched(arena)) == {"P6": True, "A1": True, "D4": True}

    late = watched(arena)
    late.heartbeat_seconds = 11.0
    assert kept(arena, late)["D4"] is False
    held = [replace(record, time=record.time + 4.0 * (record.step > 9)) for record in records]
    file.write_bytes(b"".join(record.pack() for record in held))
    assert kept(arena, watched(arena)) == {"P6": False, "A1": True, "D4": True}
    os.truncate(file, 0)
    file.write_bytes(b"".join(record.pack() for record in records if record.step != 9))
    assert kept(arena, watched(arena))["A1"] is False
    assert file.stat().st_size == StepRecord.SIZE * 16
