"""What is told of a service beside supervisord's word."""

from __future__ import annotations

import time

from realm.disk import durable
from realm.weaver import guarded, status_of
from realm.weaver.supervisord import ServiceState
from realm.world import World


def health(world: World, name: str, *, spoke_seconds_ago: float) -> str:
    services = {"arena": {"state": guarded.STUCK, "pid": 7, "restarts": 2, "message": "it stands still"}}
    told = {"time": time.time() - spoke_seconds_ago, "pid": 9, "services": services}
    durable.write_json(world.status / guarded.STATUS_FILE, told, sync=False)
    running = ServiceState(name=name, state="RUNNING", pid=None, uptime_seconds=None)
    return status_of.supervised(world, running).health


def test_the_guardian_tells_of_the_others_and_by_that_of_itself(world: World) -> None:
    assert health(world, "arena", spoke_seconds_ago=0) == guarded.STUCK
    assert health(world, "guardian", spoke_seconds_ago=0) == guarded.UP


def test_of_a_guardian_that_is_silent_nobody_knows_anything(world: World) -> None:
    assert [health(world, name, spoke_seconds_ago=60) for name in ("arena", "guardian")] == ["", ""]
