"""What the guardian does about what it sees: services, signals and clock are stand-ins, its socket is real."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from realm.config import RealmConfig
from realm.processes import notify
from realm.weaver import guarded, kept_down
from realm.weaver.services import services
from realm.world import World
from sentinels.guardian import events
from sentinels.guardian import guardian as guarding
from sentinels.guardian.guardian import GRACE_SECONDS, Guardian
from sentinels.guardian.pings import Pings
from sentinels.guardian.processes import Sight
from sentinels.guardian.watch import FROZEN_SECONDS, SILENT_SECONDS

RUNS = Sight(pid=os.getpid(), frozen=False, wants_processor=False, cpu_seconds=0.0)


@dataclass
class Realm:
    """One arena; whether it is heard is up to the test, whose process it is."""

    world: World
    sight: Sight | None = RUNS
    now: float = 1000.0
    sent: list[tuple[int, int]] = field(default_factory=list)
    given_up: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.guardian = Guardian(
            self.world,
            [service for service in services(RealmConfig()) if service.name == "arena"],
            give_up=self.given_up.append,
            holder=lambda world, name: self.sight.pid if self.sight else None,
            sight=lambda pid: self.sight,
            send=lambda pid, number: self.sent.append((pid, number)),
            clock=lambda: self.now,
        )

    def beat(self) -> None:
        notify._say(b"READY=1\nWATCHDOG=1", {notify.VARIABLE: str(self.world.control / "guardian.sock")})

    def go_on(self, seconds: float, *, beating: bool = False) -> None:
        for _ in range(int(seconds)):
            if beating:
                self.beat()
            self.now += 1
            self.guardian.tick()

    def die(self, how: str = "exit status 1; not expected") -> None:
        log = self.world.logs / "weaver" / "weaver.log"
        log.parent.mkdir(exist_ok=True)
        with open(log, "a") as file:
            file.write(f"2026-11-30 18:48:20,654 WARN exited: arena ({how})\n")

    @property
    def kinds(self) -> list[str]:
        return [event.kind for event in events.read(self.world)]

    @property
    def state(self) -> str:
        told = json.loads((self.world.status / guarded.STATUS_FILE).read_bytes())
        return str(told["services"]["arena"]["state"])


@pytest.fixture
def realm(world: World) -> Iterator[Realm]:
    realm = Realm(world)
    yield realm
    realm.guardian._pings.close()


def test_who_is_heard_is_up_and_who_is_not_is_ended_and_killed_at_last(realm: Realm) -> None:
    realm.go_on(3)
    assert realm.state == guarded.STARTING
    realm.go_on(100, beating=True)
    assert (realm.state, realm.sent) == (guarded.UP, [])
    realm.go_on(SILENT_SECONDS + 1)
    assert realm.sent == [(RUNS.pid, signal.SIGTERM), (RUNS.pid, signal.SIGCONT)]
    realm.go_on(GRACE_SECONDS)
    assert realm.sent[-1] == (RUNS.pid, signal.SIGKILL)
    assert realm.kinds == ["stuck"]
    realm.sight = None
    realm.die()
    realm.go_on(1)
    assert realm.state == guarded.ENDED
    realm.sight = RUNS
    realm.go_on(2, beating=True)
    assert realm.kinds == ["stuck", "restarted", "recovered"]


def test_twin_a_guardian_that_hears_everyone_ends_nobody(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Pings, "heard", lambda self: {RUNS.pid})
    realm.go_on(100)
    assert realm.sent == []


def test_one_that_is_woken_and_saves_has_its_time(realm: Realm) -> None:
    realm.go_on(2, beating=True)
    realm.sight = replace(RUNS, frozen=True)
    realm.go_on(FROZEN_SECONDS + 1)
    assert len(realm.sent) == 2
    realm.sight = RUNS
    realm.go_on(50, beating=True)
    assert len(realm.sent) == 2
    assert realm.kinds == ["stuck"]
    realm.go_on(15, beating=True)
    assert realm.sent[2] == (RUNS.pid, signal.SIGKILL)


def test_after_a_sleep_of_the_machine_nobody_is_ended(realm: Realm) -> None:
    realm.go_on(2, beating=True)
    realm.now += 86_400
    realm.go_on(5)
    assert realm.sent == []


def test_twin_without_the_look_at_its_own_gap_all_are_ended(realm: Realm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guarding, "SLEPT_SECONDS", float("inf"))
    realm.go_on(2, beating=True)
    realm.now += 86_400
    realm.go_on(1)
    assert realm.sent


def test_five_fast_deaths_stop_it_and_its_last_lines_are_shown(realm: Realm) -> None:
    console = realm.world.logs / "arena" / "arena.log"
    console.parent.mkdir()
    console.write_text("Traceback\nValueError: the cause\n")
    realm.sight = None
    for _ in range(5):
        assert not realm.given_up
        realm.die()
        realm.go_on(3)
    assert realm.given_up == ["arena"]
    assert realm.kinds == ["restarted"] * 5 + ["gave_up"]
    assert events.read(realm.world)[-1].lines == ("Traceback", "ValueError: the cause")
    assert kept_down.read(realm.world) == {"arena": kept_down.GAVE_UP}
    assert realm.state == guarded.GAVE_UP


@pytest.mark.parametrize(("how", "gives_up"), [("terminated by SIGKILL; not expected", False), ("exit status 1", True)])
def test_one_that_works_and_is_killed_is_started_again_however_often(realm: Realm, how: str, gives_up: bool) -> None:
    for _ in range(9):
        realm.go_on(3, beating=True)
        realm.die(how)
        realm.go_on(1)
    assert bool(realm.given_up) is gives_up


def test_one_that_never_comes_to_work_is_given_up_whoever_ends_it(realm: Realm) -> None:
    realm.sight = None
    for _ in range(5):
        realm.die("terminated by SIGKILL; not expected")
        realm.go_on(3)
    assert realm.given_up == ["arena"]


def test_twin_slow_deaths_stop_nothing(realm: Realm) -> None:
    for _ in range(9):
        realm.die()
        realm.go_on(20, beating=True)
    assert realm.given_up == []


def test_what_the_player_stopped_is_no_fault(realm: Realm) -> None:
    realm.sight = None
    kept_down.keep(realm.world, "arena", kept_down.PLAYER)
    realm.go_on(60)
    assert realm.state == guarded.STOPPED
    assert realm.kinds == []


def test_a_stranger_s_word_is_not_taken_for_the_service_s(realm: Realm) -> None:
    realm.sight = replace(RUNS, pid=1)
    realm.go_on(5, beating=True)
    assert realm.state == guarded.STARTING


def test_a_world_with_a_long_path_is_heard(tmp_path: Path) -> None:
    world = World(tmp_path / ("deep" * 30))
    world.create()
    realm = Realm(world)
    realm.go_on(2, beating=True)
    assert realm.state == guarded.UP
    realm.guardian._pings.close()


def test_who_speaks_to_nobody_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in ("", str(tmp_path / "none"), "@none", "/" + "x" * 300):
        monkeypatch.setenv(notify.VARIABLE, address)
        notify.beat()
        notify.stopping()


def test_systemd_is_told_the_same_also_by_an_abstract_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(f"\0realm-{os.getpid()}")
        monkeypatch.setenv(notify.VARIABLE, f"@realm-{os.getpid()}")
        notify.beat()
        assert systemd.recv(100) == b"READY=1\nWATCHDOG=1"
        notify.stopping()
        assert systemd.recv(100) == b"STOPPING=1"
