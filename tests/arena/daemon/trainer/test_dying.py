"""A trainer that dies, will not start, or hangs: as processes of their own, on a clock that the test moves."""

import json
import os
import signal
import sqlite3
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from arena import orders
from arena import status as arena_status
from arena.daemon.battles import ensure_hero
from arena.daemon.loop import ArenaDaemon
from arena.daemon.trainer.care import MOST_FALSE_STARTS, MOST_SET_ASIDE, TrainerCare
from arena.daemon.trainer.liveness import Timeouts
from arena.daemon.trainer.process import TrainerProcess
from arena.models import ChronicleEntry
from arena.orders import Wish
from arena.protocol import SHORTAGE_FILE, ExitCode
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, Clock, clock, drop, open_daemon, settle, states, told, trainer
from tests.support import tiny_hero
from tests.support.fake_trainer import FakeTrainer
from tests.support.live_arena import LiveArena
from tests.support.local_gate import LocalGate

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(300), pytest.mark.slow]

STAND_IN = (sys.executable, "-m", "tests.support.stand_in_trainer")
TIMEOUT_SECONDS = 240.0


class Arena:
    """A daemon in this process over a stand-in trainer in its own."""

    def __init__(self, world: World, clock: Clock, *arguments: str) -> None:
        ensure_hero(world, CONFIG)
        self.clock = clock
        self.trainer = TrainerProcess(world, lambda: None, (*STAND_IN, *arguments), clock=clock, timeouts=Timeouts())
        self.daemon = ArenaDaemon(world=world, config=CONFIG, trainer=self.trainer, gate=LocalGate(world), clock=clock)

    def tick_until(self, condition: Callable[[], bool], *, moving: float = 0.0) -> None:
        """Let the daemon look again and again; each look comes `moving` seconds after the one before."""
        deadline = time.monotonic() + TIMEOUT_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"in vain; told: {told()}, {self.trainer.last_lines()}"
            self.clock.now += moving
            self.daemon.tick()
            time.sleep(0.01)


@pytest.fixture
def build(world: World, clock: Clock) -> Iterator[Callable[..., Arena]]:
    built: list[Arena] = []

    def build(*arguments: str) -> Arena:
        built.append(Arena(world, clock, *arguments))
        return built[-1]

    yield build
    for arena in built:
        arena.trainer.kill()
        arena.trainer.shut_down()


def message(kind: str) -> str:
    return ChronicleEntry.objects.filter(kind=kind).latest("id").message


def test_a_quest_that_ends_the_process_three_times_fails_and_the_next_one_runs(
    world: World, build: Callable[..., Arena]
) -> None:
    arena = build()
    drop(world, "killer.jsonl")
    drop(world, "mild.jsonl")
    os.utime(world.inbox / "mild.jsonl", (2, 2))
    arena.tick_until(lambda: states().get("mild") == "completed", moving=0.01)
    assert states() == {"killer": "failed", "mild": "completed"}
    reason = json.loads((world.failed / "killer.jsonl.reason.json").read_text())["reason"]
    assert reason == "the trainer died 3 times on this quest; the last time it died (exit code 7): killer strikes"
    assert told().count("trainer_died") == 3
    assert message("trainer_died") == "The trainer died (exit code 7); it is started again"


def test_quests_that_all_kill_the_trainer_are_not_all_spent(world: World, build: Callable[..., Arena]) -> None:
    arena = build()
    for number in range(MOST_SET_ASIDE + 2):
        drop(world, f"killer-{number}.jsonl")
    arena.tick_until(lambda: arena.daemon.rest.active, moving=1)
    settle(arena.daemon)
    assert sorted(states().values()) == ["failed"] * MOST_SET_ASIDE + ["queued"] * 2
    assert "3 quests in a row killed the trainer" in arena_status.read_rest(world)["reason"]


def test_a_trainer_that_does_not_start_is_given_up_and_its_last_lines_are_shown(
    world: World, build: Callable[..., Arena]
) -> None:
    arena = build("stillborn")
    arena.tick_until(lambda: arena.daemon.rest.active, moving=0.5)
    for _ in range(20):
        arena.clock.now += 10
        arena.daemon.tick()
    assert told() == ["trainer_died"] * MOST_FALSE_STARTS
    assert message("trainer_died").endswith("it is not started again until you resume: no memory is left")
    assert ChronicleEntry.objects.first().message.endswith("it is started again")
    status = json.loads((world.status / "arena.json").read_text())
    assert status["state"] == "resting"
    assert status["message"] == "the trainer died 5 times before any battle began: no memory is left"
    assert status["trainer_pid"] is None
    orders.send(world, wish=Wish.RESUME, by="test")
    arena.tick_until(lambda: len(told()) > MOST_FALSE_STARTS, moving=0.5)


def test_without_the_count_it_is_started_for_ever(
    world: World, build: Callable[..., Arena], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.daemon.trainer.care.MOST_FALSE_STARTS", 10**6)
    arena = build("stillborn")
    arena.tick_until(lambda: len(told()) > MOST_FALSE_STARTS + 1, moving=5)


def test_a_trainer_that_dies_now_and_then_is_always_started_again(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon()
    for _ in range(4 * MOST_FALSE_STARTS):
        settle(daemon)
        clock.now += 3600
        trainer.die()
        settle(daemon)
        clock.now += 4
        settle(daemon)
        assert trainer.alive
    assert not daemon.rest.active


def test_the_first_deaths_cost_no_more_than_five_seconds(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    daemon = open_daemon()
    for _ in range(MOST_FALSE_STARTS - 1):
        settle(daemon)
        trainer.die()
        settle(daemon)
        assert daemon._idle_seconds() <= 2
        clock.now += 4
        settle(daemon)
        assert trainer.alive


def test_what_is_told_of_a_failing_disk_is_what_happens(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.die(ExitCode.SYSTEM)
    settle(daemon)
    clock.now += 60
    settle(daemon)
    assert message("trainer_died") == "The trainer died (exit code 6); the arena rests until you resume: out of luck"
    assert len(trainer.orders) == 1
    assert states() == {"a": "battling"}
    assert open_daemon().rest.active, "the daemon's own rest outlives it, too"


def test_a_shortage_in_a_rank_is_no_death_where_it_left_word_of_it(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    shortage = Path(trainer.orders[-1].battle_folder) / SHORTAGE_FILE
    for _ in range(5):
        shortage.write_text("{}")
        trainer.die(ExitCode.SHORT_OF_MEMORY)
        settle(daemon)
        shortage.unlink()  # as the next run does, once it has told of it
    assert states() == {"a": "battling"}
    assert "trainer_died" not in told()
    for _ in range(3):  # the twin: of a program that happens to end with that code it is one
        trainer.die(ExitCode.SHORT_OF_MEMORY)
        settle(daemon)
        clock.now += 60
        settle(daemon)
    assert states() == {"a": "failed"}


def test_a_lost_machine_is_no_death_and_is_waited_for(
    world: World, trainer: FakeTrainer, clock: Clock, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    drop(world, "a.jsonl")
    daemon = open_daemon()
    settle(daemon)
    for _ in range(5):  # as a network that comes and goes
        trainer.die(ExitCode.MACHINE_LOST)
        trainer.busy = True
        settle(daemon)
        clock.now += 10
        settle(daemon)
        trainer.missing = "The battle waits for the machine gpubox to join it; there: …"
        settle(daemon)
        trainer.missing, trainer.busy = "", False
        settle(daemon)
    assert states() == {"a": "battling"}
    assert message("machine_lost") == "out of luck: the battle waits for it and goes on from its newest checkpoint"
    assert message("machine_missing") == "The battle waits for the machine gpubox to join it; there: …"
    assert told().count("machine_back") == 5
    for _ in range(3):  # the twin: of any other code it dies
        trainer.die(1)
        settle(daemon)
        clock.now += 60
        settle(daemon)
    assert states() == {"a": "failed"}


def _stop(arena: Arena) -> int:
    """Stop the living trainer as SIGSTOP does: it exists and says nothing."""
    pid = arena.trainer.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    return pid


def test_a_stopped_trainer_is_killed_and_its_battle_goes_on(
    world: World, build: Callable[..., Arena], clock: Clock
) -> None:
    arena = build()
    arena.tick_until(lambda: arena.trainer.ready)
    stopped, seen_at = _stop(arena), clock.now
    drop(world, "mild.jsonl")
    arena.tick_until(lambda: arena.trainer.pid != stopped, moving=2)
    assert clock.now - seen_at < 30
    arena.tick_until(lambda: states().get("mild") == "completed", moving=0.1)
    with pytest.raises(ProcessLookupError):
        os.kill(stopped, 0)
    assert message("trainer_hung").startswith("The trainer did not answer for 2")
    assert message("trainer_hung").endswith(" s; it is started again")
    assert "trainer_died" not in told()


def test_without_the_watch_a_stopped_trainer_stays(
    world: World, build: Callable[..., Arena], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TrainerCare, "watch", lambda _: None)
    arena = build()
    arena.tick_until(lambda: arena.trainer.ready)
    stopped = _stop(arena)
    drop(world, "mild.jsonl")
    for _ in range(100):
        arena.clock.now += 2
        arena.daemon.tick()
    assert arena.trainer.pid == stopped
    assert states() == {"mild": "battling"}


def test_a_trainer_that_beats_is_left_alone(world: World, build: Callable[..., Arena]) -> None:
    arena = build()
    arena.tick_until(lambda: arena.trainer.ready)
    before = arena.trainer.pid
    lines = arena.trainer._liveness._lines
    arena.tick_until(lambda: arena.trainer._liveness._lines > lines + 10, moving=0.5)
    assert arena.trainer.pid == before


def test_the_last_lines_are_the_newest_trainers(world: World, build: Callable[..., Arena]) -> None:
    (world.logs / "trainer").mkdir()
    (world.logs / "trainer" / "trainer.log").write_text("an older trainer's trouble\n")
    arena = build()
    arena.tick_until(lambda: arena.trainer.ready)
    assert arena.trainer.last_lines() == "it said nothing"


@pytest.mark.slow
def test_a_real_trainer_that_is_stopped_in_mid_battle_is_replaced(tmp_path: Path) -> None:
    arena = LiveArena(tmp_path / "world", tiny_hero.make_base(tmp_path / "base"))
    arena.start()
    try:
        arena.drop("a.jsonl", 2500, seed=1)
        arena.wait_for(lambda: any(arena.world.heroes.glob("DIO/checkpoint-*")), "a checkpoint is saved")
        stopped = arena.trainer_pid
        assert stopped is not None
        os.kill(stopped, signal.SIGSTOP)
        assert arena.completed() == set()
        arena.wait_for(lambda: arena.trainer_pid not in (None, stopped), "another trainer is started")
        arena.wait_for(lambda: arena.completed() == {"a.jsonl"}, "the quest is completed")
        with closing(sqlite3.connect(arena.world.database)) as database:
            said = database.execute("SELECT message FROM arena_chronicleentry WHERE kind = 'trainer_hung'").fetchall()
        assert len(said) == 1
        assert "did not answer for 2" in said[0][0]
    finally:
        arena.stop()
