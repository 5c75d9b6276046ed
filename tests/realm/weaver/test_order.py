"""What a player waits for is started first; the rest follows whether the Tavern answers or not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import cast

import pytest

from realm.config import RealmConfig
from realm.disk import locks
from realm.weaver import WeaverError, coming_up, guarded, supervisord, verbs
from realm.weaver.services import ARENA, ORACLE, TAVERN, services
from realm.weaver.status_of import unless_frozen
from realm.weaver.supervisord import ServiceState
from realm.web import identity
from realm.world import World

CONFIG = RealmConfig(serve_trainers=("sy",), oracle_port=1, vault_port=2)
NAMES = [service.name for service in services(CONFIG)]


class FakeLoom:
    tavern = "STOPPED"

    def __init__(self, told: list[str]) -> None:
        self.told = told

    def states(self) -> dict[str, ServiceState]:
        stopped = {name: ServiceState(name=name, state="STOPPED", pid=None, uptime_seconds=None) for name in NAMES}
        return stopped | {TAVERN: replace(stopped[TAVERN], state=self.tavern, pid=os.getpid(), uptime_seconds=1)}

    def restart(self, name: str) -> None:
        self.told.append(f"restart {name}")

    def stop(self, name: str) -> None:
        self.told.append(f"stop {name}")

    def start(self, name: str) -> None:
        self.told.append(name)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What happened, in order, to a supervisord that lives and runs nothing."""
    told: list[str] = []

    @contextmanager
    def alive(world: World) -> Iterator[None]:
        yield None

    monkeypatch.setattr(supervisord, "lock_unless_alive", alive)
    monkeypatch.setattr(verbs, "Loom", lambda world: FakeLoom(told))
    return told


def test_the_tavern_answers_before_what_nobody_waits_for_is_started(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_answers", lambda world, config: not told.append("asked"))
    mended = verbs.mend(world, CONFIG, prepare=lambda: None)
    assert told == [TAVERN, ARENA, "asked", *(name for name in NAMES if name not in (TAVERN, ARENA))]
    assert mended.started == NAMES


def test_all_are_started_though_the_tavern_fails(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_answers", lambda world, config: False)
    monkeypatch.setattr(verbs, "DOWN_SECONDS", 0.0)
    with pytest.raises(WeaverError, match="the Tavern does not answer"):
        verbs.mend(world, CONFIG, prepare=lambda: None)
    assert sorted(told) == sorted(NAMES)


def check_a_beginner_is_left_alone(world: World, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Another weaver has just started it."""
    answers = iter([False, False, True, True])
    monkeypatch.setattr(FakeLoom, "tavern", "RUNNING", raising=False)
    monkeypatch.setattr(verbs, "STUCK_SECONDS", 0.0)
    monkeypatch.setattr(verbs, "_answers", lambda world, config: next(answers))
    verbs.mend(world, CONFIG, prepare=lambda: None)
    assert f"restart {TAVERN}" not in told


def test_a_tavern_that_has_just_begun_is_not_begun_again(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    check_a_beginner_is_left_alone(world, told, monkeypatch)


def test_twin_that_asks_not_since_when_it_runs(world: World, told: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verbs, "_patience_seconds", lambda state: verbs.STUCK_SECONDS)
    with pytest.raises(AssertionError, match="restart tavern"):
        check_a_beginner_is_left_alone(world, told, monkeypatch)


def test_twin_where_all_are_waited_for_none_is_held_back(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "WAITED_FOR", NAMES)
    monkeypatch.setattr(verbs, "_answers", lambda world, config: not told.append("asked"))
    verbs.mend(world, CONFIG, prepare=lambda: None)
    assert told == [*NAMES, "asked"]


def test_a_service_whose_port_is_taken_is_told_as_not_started(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_answers", lambda world, config: True)
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        port = stranger.getsockname()[1]
        monkeypatch.setattr(identity, "told", lambda address, port, seconds: {})
        mended = verbs.mend(world, replace(CONFIG, oracle_port=port), prepare=lambda: None)
    assert ORACLE not in mended.started
    assert mended.not_started[ORACLE].startswith(f"port {port} of 127.0.0.1 is taken by another program; end it, or")
    assert told.count(ORACLE) == 0
    assert f"stop {ORACLE}" in told


def test_twin_without_the_look_at_its_port_it_is_told_as_started(
    world: World, told: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verbs, "_answers", lambda world, config: True)
    monkeypatch.setattr(verbs, "why_taken", lambda service: "")
    with socket.create_server(("127.0.0.1", 0)) as stranger:
        mended = verbs.mend(world, replace(CONFIG, oracle_port=stranger.getsockname()[1]), prepare=lambda: None)
    assert ORACLE in mended.started


@pytest.mark.parametrize(
    ("state", "seen", "told"),
    [
        ("STARTING", guarded.STARTING, "it is still on its way after 0 s"),
        ("STARTING", guarded.UP, None),
        ("RUNNING", guarded.STARTING, None),
        ("FATAL", guarded.ENDED, "it ended at once"),
    ],
)
def test_what_is_still_on_its_way_at_the_end_of_the_wait_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, state: str, seen: str, told: str | None
) -> None:
    class Loom:
        def states(self) -> dict[str, ServiceState]:
            return {ARENA: ServiceState(name=ARENA, state=state, pid=7, uptime_seconds=1)}

    monkeypatch.setattr(coming_up, "MOST_SECONDS", 0.0)
    monkeypatch.setattr(guarded, "read", lambda _: {ARENA: guarded.Guarded(state=seen, pid=7, restarts=0, message="")})
    found = coming_up.wait_for(world, cast(supervisord.Loom, Loom()), [ARENA])
    assert found == ({ARENA: told} if told else {})


def test_a_process_that_a_signal_stopped_does_not_run() -> None:
    with subprocess.Popen(["sleep", "60"]) as sleeper:
        state = ServiceState(name=ARENA, state="RUNNING", pid=sleeper.pid, uptime_seconds=1)
        assert unless_frozen(state) == state
        sleeper.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, sleeper.pid, os.WSTOPPED)
        frozen = unless_frozen(state)
        sleeper.kill()
    assert (frozen.state, frozen.runs) == ("FROZEN", False)


def test_a_supervisord_that_is_stuck_is_told_within_seconds(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisord, "ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(verbs, "STATUS_SECONDS", 0.05)
    with locks.opened(world.control / supervisord.LOCK_FILE) as handle, socket.socket(socket.AF_UNIX) as silent:
        assert locks.try_lock(handle)
        silent.bind(str(world.control / supervisord.SOCKET_FILE))
        silent.listen()
        with pytest.raises(WeaverError, match="held by another process and silent"):
            verbs.status(world, CONFIG)
        assert supervisord.is_alive(world)
