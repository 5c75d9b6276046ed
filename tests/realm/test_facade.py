"""`from realm import Realm`: the lines of QUICKSTART.md, and worlds that are not ready."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError

from guild.asking import Oracle
from realm import Realm, facade
from realm.facade import RealmNotReady
from realm.world import CHECKOUT, World
from sentinels.facade import Patrol
from sentinels.inspector.finding import Finding
from tests.support.servers import environment, migrate
from tests.watchtower.factories import append_steps, daemon_lock, make_battle, record, say_status

pytestmark = [pytest.mark.slow, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def realm(world: World) -> Realm:
    world.database.touch()
    return Realm()


def told_lines() -> str:
    (block,) = re.findall(
        r"```python\n(from realm import Realm\n.*?)```", (CHECKOUT / "QUICKSTART.md").read_text(), re.S
    )
    return str(block)


def test_the_lines_of_the_quickstart(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Oracle, "answers", lambda self, prompts, **options: [f"{prompts} {options}"])
    names: dict[str, Any] = {}
    try:
        exec(told_lines(), names)
    finally:
        names["following"].stop()
    assert (names["job"].name, names["job"].state, len(names["steps"])) == ("sums", "waiting", 0)
    assert len(told_lines().splitlines()) <= 12


def test_a_script_in_a_running_event_loop_and_what_it_loads(tmp_path: Path) -> None:
    world = World(tmp_path / "world")
    world.create()
    migrate(world)
    script = """
import asyncio, sys
from realm import Realm
assert not {"django", "numpy", "pydantic"} & set(sys.modules), "the name alone loads nothing"
async def cell():
    r = Realm()
    assert "django" not in sys.modules, "nor does the realm before a place is asked for"
    print(r.watchtower.pool.gaze().battle_state, r.guild.champion)
    assert "torch" not in sys.modules
asyncio.run(cell())
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=CHECKOUT, env=environment(world), text=True, capture_output=True, timeout=60
    )
    assert (done.returncode, done.stdout) == (0, "idle None\n"), done.stderr


async def test_twin_django_refuses_to_wait_in_an_event_loop(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DJANGO_ALLOW_ASYNC_UNSAFE", raising=False)
    with pytest.raises(Exception, match="cannot call this from an async context"):
        _ = realm.arena.battles()


def test_battle_states(realm: Realm) -> None:
    gaze = realm.watchtower.pool.gaze
    assert gaze().battle_state == "idle"
    make_battle(realm.world)
    append_steps(realm.world, "b1", [record(step) for step in range(1, 6)])
    with daemon_lock(realm.world):
        for said, state in (
            ("training", "training"),
            ("paused", "paused"),
            ("resting", "paused"),
            ("preparing", "idle"),
        ):
            say_status(realm.world, said)
            assert gaze().battle_state == state
    seen = gaze()
    assert (seen.arena, seen.battle_state, seen.step, seen.quest) == ("offline", "idle", 5, "quest-b1")
    assert repr(realm.watchtower) == "<Watchtower: idle>"


def test_a_patrol_is_all_clear_unless_there_is_trouble() -> None:
    def patrol(*verdicts: Any) -> Patrol:
        return Patrol(tuple(Finding(what="x", verdict=verdict, sentence="y") for verdict in verdicts))

    assert patrol("ok", "warning").is_all_clear
    assert not patrol("ok", "trouble").is_all_clear
    assert str(patrol("trouble")) == "trouble  x: y"


def test_a_patrol_looks(realm: Realm) -> None:
    found = realm.sentinels.inspector.full_patrol()
    assert not found.is_all_clear, "no arena runs here"
    assert {"disk", "database", "arena"} <= {finding.what for finding in found.findings}


def test_a_world_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(RealmNotReady, match=r"no world in .*nowhere yet: scripts/start_all.sh"):
        Realm(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists(), "asking makes none"


def test_a_database_that_is_not_ready(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realm.databases.database.is_behind", lambda: True)
    monkeypatch.setattr("realm.databases.unready.is_behind", lambda: True)
    with pytest.raises(RealmNotReady, match="of an older release"):
        _ = realm.arena
    assert realm.tavern.address, "of use all the same"

    def broken() -> bool:
        raise DatabaseError("x")

    monkeypatch.setattr("realm.databases.database.is_behind", broken)
    with pytest.raises(RealmNotReady):
        _ = realm.vault


def test_one_world_a_process(realm: Realm, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    other.create()
    other.database.touch()
    with pytest.raises(RealmNotReady, match="start another one"):
        _ = Realm(other.home).arena


def test_every_place_is_there_and_can_be_shown(realm: Realm) -> None:
    for name in facade._PLACES:
        assert repr(getattr(realm, name)).startswith(f"<{name.title()}")
        assert name in dir(realm)
    with pytest.raises(AttributeError, match="it has arena, guild"):
        _ = realm.armory
