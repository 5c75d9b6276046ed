"""Each of the daemon's cares alone, with nothing of the loop around it."""

import errno
import json
import os
from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest

from arena import status as arena_status
from arena.daemon.chronicle_outbox import Outbox
from arena.daemon.disk_care import DiskCare
from arena.daemon.pause import Pause
from arena.daemon.settings import FRESH_SECONDS, Settings
from arena.daemon.status import HEARTBEAT_SECONDS, Situation, StatusFile
from arena.daemon.trainer.care import LONGEST_BACKOFF_SECONDS, MOST_FALSE_STARTS, TrainerCare
from arena.daemon.trainer.process import TrainerProcess
from arena.models import Battle, ChronicleEntry
from arena.orders import Wish
from arena.protocol import ExitCode
from realm.config import RealmConfig
from realm.disk import durable
from realm.strict import BadConfig
from realm.world import World
from tests.arena.daemon.test_loop import Clock, clock, told
from tests.support.fake_trainer import FakeTrainer

__all__ = ["clock"]  # a fixture

pytestmark = pytest.mark.django_db(transaction=True)

CALM = Situation(battle=None, is_fought=False, rests=False, trainer_ready=True, trainer_pid=7, waits_for="", message="")


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        ({}, "idle"),
        ({"trainer_ready": False}, "preparing"),
        ({"rests": True}, "resting"),
        ({"rests": True, "battle": Battle(battle_id="b")}, "paused"),
        ({"is_fought": True, "battle": Battle(battle_id="b")}, "preparing"),
        ({"is_fought": True, "battle": Battle(battle_id="b", first_step=0)}, "training"),
        ({"is_fought": True, "battle": Battle(battle_id="b", first_step=0), "waits_for": "room"}, "paused"),
    ],
)
def test_the_state_is_a_matter_of_the_situation(changes: dict[str, object], state: str) -> None:
    assert replace(CALM, **changes).state == state  # type: ignore[arg-type]


def test_the_status_is_written_when_it_changes_and_as_a_heartbeat(world: World, clock: Clock) -> None:
    file = StatusFile(world.arena_status, clock=clock)
    file.tell(lambda: CALM)
    world.arena_status.unlink()
    file.tell(lambda: CALM)
    assert not world.arena_status.exists()
    clock.now += HEARTBEAT_SECONDS
    file.tell(lambda: CALM)
    assert json.loads(world.arena_status.read_bytes())["state"] == "idle"
    file.tell(lambda: replace(CALM, message="no room"))
    assert json.loads(world.arena_status.read_bytes())["message"] == "no room"
    file.tell(lambda: CALM, offline=True)
    assert json.loads(world.arena_status.read_bytes())["state"] == "offline"


def full() -> bool:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "there")


def test_what_cannot_be_written_waits_in_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    outbox = Outbox()
    outbox.add("one", "first")
    outbox.add("two", "second", code=3)
    with monkeypatch.context() as patch:
        patch.setattr("arena.chronicle.say", lambda *_, **__: full())
        with pytest.raises(OSError, match="No space left"):
            outbox.flush()
    assert outbox.flush()
    assert told() == ["one", "two"]
    assert not outbox.flush()


def test_a_full_disk_is_told_once_and_its_end_too(world: World) -> None:
    outbox = Outbox()
    disk = DiskCare(world, outbox)
    assert [disk.guard(full), disk.guard(full)] == [False, False]
    assert disk.trouble.startswith(f"The arena cannot write to {world.home}")
    assert disk.guard(lambda: True)
    assert disk.trouble == ""
    outbox.flush()
    assert told() == ["disk_trouble", "disk_recovered"]


def test_the_ballast_gives_its_room_to_whoever_waits(world: World) -> None:
    disk = DiskCare(world, Outbox())
    disk.mind_ballast(trainer_waits=False)
    assert len(list(world.status.iterdir())) == 1
    disk.mind_ballast(trainer_waits=True)
    assert list(world.status.iterdir()) == []


def test_settings_that_cannot_be_leave_the_old_ones_in_force(world: World, clock: Clock) -> None:
    outbox, new = Outbox(), RealmConfig(autoplay=True, training={"epochs": 2})
    settings = Settings(world, RealmConfig(autoplay=False), outbox, load=lambda: new, clock=clock)
    settings.refresh()
    assert not settings.config.autoplay, "they are fresh"
    clock.now += FRESH_SECONDS + 1
    settings.refresh()
    assert (settings.config.autoplay, settings.recipe.epochs) == (True, 2)

    def broken() -> RealmConfig:
        raise BadConfig("config.yaml: no such key")

    settings.load = broken
    settings.read_again()
    settings.read_again()
    assert settings.trouble == "The old settings stay in force: config.yaml: no such key"
    assert settings.recipe.epochs == 2
    outbox.flush()
    assert told() == ["settings_refused"]


def test_a_rest_that_is_owed_counts_before_it_is_written_and_outlives_the_daemon(world: World) -> None:
    rest = Pause(world)
    rest.begin_for("no memory is left")
    assert rest.active
    assert not Pause(world).active
    assert rest.settle()
    assert (Pause(world).active, Pause(world).reason) == (True, "no memory is left")
    rest.forgive()
    assert (rest.trouble, rest.reason, rest.active) == ("", "", True)
    rest.begin(Wish.STOP, by="test")
    assert rest.is_retreat
    rest.end()
    assert not rest.active
    assert arena_status.read_rest(world) == {}


@pytest.fixture
def care(world: World, clock: Clock) -> Callable[[FakeTrainer, Pause], TrainerCare]:
    return lambda trainer, rest: TrainerCare(world, cast(TrainerProcess, trainer), Outbox(), rest, clock=clock)


def test_a_trainer_that_dies_again_and_again_is_started_later_each_time_and_then_no_more(
    world: World, clock: Clock, care: Callable[[FakeTrainer, Pause], TrainerCare]
) -> None:
    trainer, rest = FakeTrainer(), Pause(world)
    minded, waits = care(trainer, rest), []
    for _ in range(MOST_FALSE_STARTS):
        assert minded.start()
        trainer.die()
        minded.note_death(-9, None)
        trainer.reap()
        assert not minded.start()
        waits.append(minded.seconds_to_start)
        clock.now += waits[-1]
    assert waits == [0.5, 1.0, 2.0, LONGEST_BACKOFF_SECONDS, LONGEST_BACKOFF_SECONDS]
    assert not minded.start(), "it is given up"
    assert rest.trouble == "the trainer died 5 times before any battle began: out of luck"
    minded.forgive()
    assert minded.start()


@pytest.mark.parametrize("code", [ExitCode.SYSTEM, ExitCode.ANOTHER_TRAINER])
def test_trouble_of_the_machine_lets_the_arena_rest_at_once(
    world: World, care: Callable[[FakeTrainer, Pause], TrainerCare], code: int
) -> None:
    rest = Pause(world)
    care(FakeTrainer(), rest).note_death(code, None)
    assert rest.trouble == "the trainer cannot go on: out of luck"


def test_one_that_hangs_is_killed_and_its_death_says_so(world: World, clock: Clock) -> None:
    trainer, outbox = FakeTrainer(), Outbox()
    minded = TrainerCare(world, cast(TrainerProcess, trainer), outbox, Pause(world), clock=clock)
    minded.start()
    minded.watch()
    assert trainer.alive
    trainer.hung = "did not answer for 20 s"
    minded.watch()
    assert trainer.exit_code == -9
    minded.note_death(-9, None)
    outbox.flush()
    assert ChronicleEntry.objects.get().kind == "trainer_hung"
    assert ChronicleEntry.objects.get().message == "The trainer did not answer for 20 s; it is started again"


def test_a_disk_that_refuses_the_status_only_lets_it_grow_old(
    world: World, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durable, "write_json", lambda *_, **__: full())
    StatusFile(world.arena_status, clock=clock).tell(lambda: CALM)
    StatusFile(world.arena_status, clock=clock).tell(lambda: cast(Situation, full()))
    assert not world.arena_status.exists()
