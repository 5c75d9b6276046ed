"""One service started, stopped or started anew: what is asked of supervisord, and what is said."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace

import pytest

from realm.config import RealmConfig
from realm.weaver import WeaverError, orders, spawned, supervisord, verbs
from realm.weaver.orders import ServiceOrder, give
from realm.weaver.supervisord import ServiceState
from realm.world import World

CONFIG = RealmConfig()


@dataclass
class FakeLoom:
    running: dict[str, bool] = field(default_factory=dict)
    told: list[str] = field(default_factory=list)
    lives: bool = True
    restarted: threading.Event = field(default_factory=threading.Event)

    def answers(self) -> bool:
        return self.lives

    def states(self) -> dict[str, ServiceState]:
        stopped = ServiceState(name="", state="STOPPED", pid=None, uptime_seconds=None)
        running = replace(stopped, state="RUNNING", pid=1, uptime_seconds=5)
        return {name: replace(running if on else stopped, name=name) for name, on in self.running.items()}

    def start(self, name: str) -> None:
        self.told.append(f"start {name}")

    def stop(self, name: str) -> None:
        self.told.append(f"stop {name}")

    def begin_stop(self, name: str) -> None:
        self.told.append(f"begin to stop {name}")

    def restart(self, name: str) -> None:
        self.told.append(f"restart {name}")
        self.restarted.set()

    def signal(self, name: str, signal: str) -> None:
        self.told.append(f"{signal} {name}")


@pytest.fixture
def loom(monkeypatch: pytest.MonkeyPatch) -> FakeLoom:
    fake = FakeLoom(running={"tavern": True, "arena": True, "oracle": False})
    monkeypatch.setattr(orders, "Loom", lambda world, seconds=None: fake)
    monkeypatch.setattr(supervisord, "is_alive", lambda world: fake.lives)
    monkeypatch.setattr(verbs, "why_taken", lambda service: "")
    return fake


@pytest.mark.parametrize(
    ("name", "order", "told"),
    [
        ("oracle", "start", "start oracle"),
        ("oracle", "restart", "start oracle"),
        ("arena", "stop", "begin to stop arena"),
        ("arena", "restart", "restart arena"),
        ("tavern", "restart", "TERM tavern"),
    ],
)
def test_what_is_asked_of_supervisord(world: World, loom: FakeLoom, name: str, order: str, told: str) -> None:
    assert name in give(world, CONFIG, name, ServiceOrder(order))
    if told.startswith("restart"):
        assert loom.restarted.wait(5)
    assert loom.told == [told]


@pytest.mark.parametrize(("name", "order"), [("arena", "start"), ("oracle", "stop")])
def test_what_is_so_already_is_said(world: World, loom: FakeLoom, name: str, order: str) -> None:
    assert give(world, CONFIG, name, ServiceOrder(order)) in ("arena runs already", "oracle does not run")
    assert loom.told == []


@pytest.mark.parametrize(("order", "told"), [("stop", "stop arena"), ("restart", "restart arena")])
def test_a_command_waits_for_the_end(world: World, loom: FakeLoom, order: str, told: str) -> None:
    give(world, CONFIG, "arena", ServiceOrder(order), wait=True)
    assert loom.told == [told]


def test_a_stranger_a_taken_port_and_no_weaver_are_refused(
    world: World, loom: FakeLoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(WeaverError, match="no service 'x'; there are tavern, arena"):
        give(world, CONFIG, "x", ServiceOrder.START)
    monkeypatch.setattr(verbs, "why_taken", lambda service: "port 8765 is taken by nginx")
    with pytest.raises(WeaverError, match="taken by nginx"):
        give(world, CONFIG, "oracle", ServiceOrder.START)
    loom.lives = False
    with pytest.raises(WeaverError, match="no weaver runs"):
        give(world, CONFIG, "arena", ServiceOrder.RESTART)
    assert loom.told == []


def test_twin_the_tavern_stopped_by_its_own_hand_would_stay_away(
    world: World, loom: FakeLoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who asks supervisord to stop it is gone before it can ask for the start."""
    monkeypatch.setattr(orders, "TAVERN", "")
    give(world, CONFIG, "tavern", ServiceOrder.RESTART)
    assert loom.restarted.wait(5)
    assert loom.told == ["restart tavern"]


def test_starts_are_counted_since_the_weaver_began(world: World) -> None:
    log = world.logs / "weaver" / "weaver.log"
    assert spawned.starts(world) == {}
    log.parent.mkdir()
    line = "2026-11-30 15:18:23,000 INFO spawned: '{}' with pid 12\n"
    log.write_text(
        line.format("arena")
        + "INFO supervisord started with pid 1\n"
        + line.format("arena") * 3
        + line.format("oracle")
    )
    assert spawned.starts(world) == {"arena": 3, "oracle": 1}


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"statename": "RUNNING", "spawnerr": "", "exitstatus": 3}, ""),
        ({"statename": "FATAL", "spawnerr": "Exited too quickly (process log may have details)"}, "Exited too quickly"),
        ({"statename": "EXITED", "spawnerr": "", "exitstatus": 3}, "it ended by itself with exit code 3"),
    ],
)
def test_why_a_service_does_not_run(told: dict[str, object], why: str) -> None:
    state = supervisord._state({"name": "arena", "pid": 0, "now": 9, "start": 5} | told)
    assert state.why.startswith(why)
    assert bool(state.why) == bool(why)
