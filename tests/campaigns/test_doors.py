"""The campaign in small, at the one server that starts quickly; and what it finds of servers that nobody guards."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from realm.world import World
from tests.campaigns import doors
from tests.campaigns.doors import Door
from tests.campaigns.namespaces import Machine
from tests.campaigns.report import Figure

pytestmark = pytest.mark.slow

THERE = Machine(address="127.0.0.2")
UNGUARDED = Door(name="files", arguments=("-m", "http.server", "{port}", "--bind", "0.0.0.0"), path="/")


@pytest.fixture
def world(tmp_path: Path) -> World:
    world = World(tmp_path / "world")
    world.create()
    return world


def officer(base: Path) -> Door:
    base.mkdir()
    return next(door for door in doors.doors(base) if door.name == "officer")


def broken(figures: Iterable[Figure]) -> list[str]:
    return [figure.what for figure in figures if not figure.kept]


def test_a_server_of_ours_keeps_its_door(world: World, tmp_path: Path) -> None:
    door = officer(tmp_path / "zone")
    assert not broken([*doors.refusals(world, [door], THERE), *doors.strangers_hosts(world, [door])])


def test_twin_a_server_without_a_guard_is_found(world: World) -> None:
    found = broken(doors.strangers_hosts(world, [UNGUARDED]))
    assert found == ["wrong Host that is not refused, 1 servers", "listens beyond loopback by default"]


def test_twin_a_server_that_lets_anybody_start_it_is_found(world: World) -> None:
    assert broken(doors.refusals(world, [Door(name="open", arguments=("-c", ""), way_out="token")], THERE))
