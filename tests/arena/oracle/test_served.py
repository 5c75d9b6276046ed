"""What a host has loaded is deleted by no policy, and what a dead one had no longer counts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from realm.oracle import served
from realm.oracle.served import Served, held
from realm.world import World
from tests.support import oracle_heroes as heroes
from tests.support.oracle_heroes import folder_name

pytestmark = pytest.mark.slow


def test_a_host_tells_what_it_holds_as_long_as_it_lives(tmp_path: Path) -> None:
    world = heroes.make_world(tmp_path / "world")
    for step in (5, 10):
        heroes.add_full(world, step)
    with heroes.oracle(world) as host:
        assert held(world, "DIO") == set()
        for step in (0, 5, 10):
            host.load(step)
        assert held(world, "DIO") == {"base", folder_name(5), folder_name(10)}
        assert held(world, "ZED") == set()
        host.post("/models/unload", step=5)
        assert held(world, "DIO") == {"base", folder_name(10)}
        host.process.kill()
        host.process.wait()
        assert list(world.status.glob("oracle-*.json")), "it had no time to take it back"
        assert held(world, "DIO") == set()


def test_two_hosts_of_one_world_are_both_heard(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.create()
    with Served(world, 1) as one, Served(world, 2) as other:
        one.tell(["DIO/a"])
        other.tell(["DIO/b", "ZED/c"])
        assert (held(world, "DIO"), held(world, "ZED")) == ({"a", "b"}, {"c"})
    assert held(world, "DIO") == set()


def test_a_full_disk_keeps_no_host_from_answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.create()

    def full(*rest: object, **more: object) -> None:
        raise OSError(28, "No space left on device")

    with Served(world, 1) as host:
        host.tell(["DIO/a"])
        with monkeypatch.context() as patched:
            patched.setattr("realm.disk.durable.write_json", full)
            host.tell(["DIO/a", "DIO/b"])
        assert held(world, "DIO") == {"a"}
        host.tell(["DIO/a", "DIO/b"])
        assert held(world, "DIO") == {"a", "b"}


def test_a_lock_that_nobody_asks_for_would_let_the_dead_speak(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(tmp_path)
    world.create()
    (world.status / "oracle-1.json").write_text(json.dumps(["DIO/a"]))
    assert held(world, "DIO") == set()
    monkeypatch.setattr(served, "is_held", lambda lock: True)
    assert held(world, "DIO") == {"a"}
