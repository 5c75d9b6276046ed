"""Who watches the guardian."""

from __future__ import annotations

import signal
from dataclasses import dataclass, field, replace

import pytest

from realm.weaver import guarded, service_lock
from realm.world import World
from sentinels.guardian.peer import EVERY_SECONDS, Peer
from sentinels.guardian.processes import Sight
from sentinels.guardian.watch import Watch
from sentinels.guardian.weaver import WeaverCare

RUNS = Sight(pid=7, frozen=False, wants_processor=False, cpu_seconds=1.0)


class Weaver(WeaverCare):
    looked = 0

    def look(self, now: float) -> str:
        self.looked += 1
        return ""


@dataclass
class Pair:
    world: World
    sight: Sight | None = RUNS
    now: float = 0.0
    killed: list[tuple[int, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.weaver = Weaver(self.world)
        self.peer = Peer(
            self.world,
            weaver=self.weaver,
            sight=lambda pid: self.sight,
            kill=lambda pid, number: self.killed.append((pid, number)),
            clock=lambda: self.now,
        )

    def go_on(self, seconds: float, *, speaking: bool) -> None:
        for _ in range(int(seconds / EVERY_SECONDS)):
            self.now += EVERY_SECONDS
            if speaking:
                (self.world.status / guarded.STATUS_FILE).write_text(str(self.now))
            self.peer.look()


@pytest.fixture
def pair(world: World, monkeypatch: pytest.MonkeyPatch) -> Pair:
    monkeypatch.setattr(service_lock, "holder", lambda world, name: RUNS.pid)
    return Pair(world)


def test_a_guardian_that_is_silent_or_frozen_is_killed(pair: Pair) -> None:
    pair.go_on(200, speaking=True)
    assert pair.killed == []
    pair.go_on(30, speaking=False)
    assert pair.killed[0] == (RUNS.pid, signal.SIGKILL)
    pair.killed.clear()
    pair.sight = replace(RUNS, pid=8, frozen=True)
    pair.go_on(16, speaking=False)
    assert pair.killed[0] == (8, signal.SIGKILL)


def test_twin_one_that_is_not_watched_stays_stuck(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watch, "_stuck", lambda *_: "")
    pair.go_on(200, speaking=False)
    assert pair.killed == []


def test_after_a_sleep_nobody_is_killed(pair: Pair) -> None:
    pair.go_on(8, speaking=True)
    pair.now += 86_400
    pair.go_on(8, speaking=False)
    assert pair.killed == []


def test_where_the_guardian_is_gone_the_weaver_is_looked_after(pair: Pair) -> None:
    pair.go_on(8, speaking=True)
    assert pair.weaver.looked == 0
    pair.sight = None
    pair.go_on(8, speaking=False)
    assert pair.weaver.looked == 2
