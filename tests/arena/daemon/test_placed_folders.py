"""A daemon whose battles or checkpoints lie on another disk: slow, its heart beats; gone, it says so and waits."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from arena import placing
from arena.daemon import disk_care
from arena.daemon.loop import ArenaDaemon
from arena.daemon.slow_looks import LONGEST_LOOK_SECONDS, SlowLooks
from arena.daemon.status import HEARTBEAT_SECONDS, Situation, StatusFile
from arena.models import ChronicleEntry
from realm import placed_folders
from realm.processes import notify
from realm.world import World
from tests.arena.daemon.test_loop import Clock, clock, open_daemon, told, trainer

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

NOTHING = Situation(
    battle=None, is_fought=False, rests=False, trainer_ready=True, trainer_pid=None, waits_for="", message=""
)


@pytest.fixture
def nas(tmp_path: Path) -> Path:
    folder = tmp_path / "nas"
    folder.mkdir()
    return folder


class Beats:
    """Of a daemon whose loop has told how it stands once, and is late since."""

    def __init__(self, world: World, patch: pytest.MonkeyPatch) -> None:
        self.world, self.now, self.notified = world, 0.0, 0
        status = StatusFile(world.arena_status, clock=lambda: self.now)
        self._looks = SlowLooks(world, status, clock=lambda: self.now)
        status.tell(lambda: NOTHING)
        patch.setattr(notify, "beat", self._note)

    def _note(self) -> None:
        self.notified += 1

    def late_by(self, seconds: float) -> bool:
        self.now = seconds
        return self._looks.beat()

    def said(self) -> dict[str, object]:
        found: dict[str, object] = json.loads(self.world.arena_status.read_bytes())
        return found


@pytest.fixture
def plain_world(tmp_path: Path) -> World:
    made = World(tmp_path / "world")
    made.create()
    return made


def test_a_look_that_takes_long_at_slow_storage_is_told_and_no_silence(
    plain_world: World, nas: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    placing.place(plain_world, "battles", nas)
    beats = Beats(plain_world, monkeypatch)
    before = beats.said()
    assert not beats.late_by(HEARTBEAT_SECONDS)
    assert beats.late_by(30.0)
    assert beats.notified == 1
    said = beats.said()
    assert said["message"] == "The arena waits for slow storage (battles) since 30 s; training goes on meanwhile"
    assert (said["state"], said["pid"]) == (before["state"], before["pid"])
    assert not beats.late_by(LONGEST_LOOK_SECONDS)  # it is stuck, and found so


def test_twin_on_a_local_disk_a_loop_that_is_late_goes_silent(
    plain_world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = Beats(plain_world, monkeypatch)
    assert not beats.late_by(30.0)
    assert beats.notified == 0


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", placed_folders.NAMES)
def test_a_mount_that_goes_away_is_told_once_and_waited_for(
    world: World, nas: Path, open_daemon: Callable[..., ArenaDaemon], clock: Clock, name: str
) -> None:
    placing.place(world, name, nas)
    daemon = open_daemon()
    daemon.tick()
    nas.rename(nas.with_name("elsewhere"))
    clock.now += disk_care.CHECK_SECONDS
    for _ in range(3):
        daemon.tick()
    (sentence,) = ChronicleEntry.objects.filter(kind="disk_trouble").values_list("message", flat=True)
    assert f"{nas / name}, to which" in sentence
    assert "is no longer there: mount it again" in sentence
    assert not nas.exists()
    nas.with_name("elsewhere").rename(nas)
    daemon.tick()
    daemon.tick()  # what the first one found is written by the next
    assert told() == ["disk_trouble", "disk_recovered"]
