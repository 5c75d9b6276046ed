"""A disk that fails in the middle of anything the daemon does: it lives on, loses nothing and does nothing twice."""

import errno
import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path
from typing import Any, cast

import pytest
from django.db import OperationalError, connection

from arena import disk_errors, orders
from arena import status as arena_status
from arena.daemon import recovery
from arena.daemon.battles import ensure_hero
from arena.daemon.loop import ArenaDaemon
from arena.daemon.trainer.process import TrainerProcess
from arena.models import Battle, ChronicleEntry, Quest
from arena.orders import Wish
from arena.protocol import Command, EventKind
from arena.queue import inbox
from realm.disk import durable
from realm.disk.ballast import FILE as BALLAST_FILE
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, GOOD, Clock, clock, drop, open_daemon, settle, states, told, trainer
from tests.support import tiny_hero
from tests.support.fake_trainer import FakeTrainer
from tests.support.live_arena import LiveArena
from tests.support.local_gate import LocalGate
from vault.models import Checkpoint

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)

DURABLE_CALLS = ("write_bytes", "move", "copy", "sync_folder")
TICKS = 14
MOST_FAULTS = 400


class FailingDisk:
    """Lets one operation of the daemon's fail: the `at`-th write to files or the database, before or after its effect.

    A failed write to the database is rolled back by SQLite, so there "after" is the same as "before".
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, at: int, code: int, after: bool) -> None:
        self._at, self._code, self._after = at, code, after
        self._count = 0
        self._armed = False
        for name in DURABLE_CALLS:
            monkeypatch.setattr(durable, name, self._wrapped(getattr(durable, name)))

    @property
    def struck(self) -> bool:
        return self._count > self._at

    def tick(self, daemon: ArenaDaemon) -> None:
        self._armed = True
        with connection.execute_wrapper(self._execute):
            daemon.tick()
        self._armed = False

    def _strikes(self) -> bool:
        if not self._armed:
            return False
        self._count += 1
        return self._count == self._at + 1

    def _wrapped(self, do: Callable[..., None]) -> Callable[..., None]:
        def call(*arguments: Any, **options: Any) -> None:
            strikes = self._strikes()
            if not strikes or self._after:
                do(*arguments, **options)
            if strikes:
                raise OSError(self._code, os.strerror(self._code), str(arguments[0]))

        return call

    def _execute(self, execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith(("INSERT", "UPDATE", "DELETE")) and self._strikes():
            full = sqlite3.OperationalError("database or disk is full")
            full.sqlite_errorcode = sqlite3.SQLITE_FULL
            raise OperationalError("database or disk is full") from full
        return execute(sql, *rest)


class Life:
    """One world from its first quest to its last, on a disk that may fail once."""

    def __init__(self, home: Path, failing: FailingDisk | None) -> None:
        for model in (ChronicleEntry, Battle, Quest, Checkpoint):
            model.objects.all().delete()
        self.world = World(home)
        self.world.create()
        ensure_hero(self.world, CONFIG)
        for folder in (self.world.failed, self.world.recently_completed):
            for name in ("won", "skipped", "refused"):  # names that are taken where the quests will end
                (folder / f"{name}.jsonl").write_text(GOOD.format(f"older {name} in {folder.name}"))
        self.clock = Clock()
        self.trainer = FakeTrainer()
        self.failing = failing
        self.daemon = ArenaDaemon(
            world=self.world,
            config=CONFIG,
            trainer=cast(TrainerProcess, self.trainer),
            gate=LocalGate(self.world),
            clock=self.clock,
        )

    def look(self) -> None:
        for _ in range(TICKS):
            self.clock.now += 2
            if self.failing:
                self.failing.tick(self.daemon)
            else:
                self.daemon.tick()

    def live(self) -> None:
        """One quest is won, one is skipped, one is refused."""
        drop(self.world, "won.jsonl")
        self.look()
        self.trainer.begin()
        self.trainer.save(1)
        self.trainer.complete(1)
        drop(self.world, "skipped.jsonl")
        drop(self.world, "refused.jsonl").write_text("rubbish\n")
        os.utime(self.world.inbox / "refused.jsonl", (1, 1))
        self.look()
        self.trainer.begin(first_step=1)
        orders.send(self.world, wish=Wish.SKIP, by="test")
        self.look()
        assert self.trainer.commands[:1] == [Command.STOP]
        self.trainer.say(EventKind.BATTLE_STOPPED, step=2)
        self.look()

    def outcome(self) -> dict[str, Any]:
        queue, failed = self.world.queue, self.world.failed
        rows = Quest.objects.values_list("name", "state", "file")
        return {
            "rows": sorted(rows),
            "missing": [file for _, _, file in rows if not (queue / file).exists()],
            "told": sorted(kind for kind in told() if not kind.startswith("disk_")),
            "files": sorted(path.relative_to(queue).as_posix() for path in queue.rglob("*.json*")),
            "reasons": [json.loads(path.read_text())["reason"] for path in sorted(failed.glob("*.reason.json"))],
            "control": sorted(path.name for path in self.world.control.iterdir()),
            "battles": sorted(path.name for path in self.world.battles.iterdir()),
            "orders": [order.quest for order in self.trainer.orders],
            "state": json.loads(self.world.arena_status.read_text())["state"],
        }


@pytest.fixture
def calm(tmp_path: Path) -> dict[str, Any]:
    life = Life(tmp_path / "calm", None)
    life.live()
    return life.outcome()


def test_the_life_itself(calm: dict[str, Any]) -> None:
    assert [row[:2] for row in calm["rows"] if row[2].endswith("-2.jsonl")] == [
        ("refused", "failed"), ("skipped", "cancelled"), ("won", "completed"),
    ]  # fmt: skip
    assert calm["orders"] == ["won", "skipped"]
    assert calm["missing"] == []


def storms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, each: int, code: int, after: bool) -> Iterator[Life]:
    """A life for every `each`-th write of it, in which that write failed."""
    for at in range(0, MOST_FAULTS, each):
        with monkeypatch.context() as patch:
            failing = FailingDisk(patch, at=at, code=code, after=after)
            life = Life(tmp_path / f"storm-{at}", failing)
            life.live()
        if not failing.struck:
            assert at > 50
            return
        yield life
    raise AssertionError("more writes than this test tries")


@pytest.mark.timeout(600)
@pytest.mark.parametrize("each", [pytest.param(11, marks=pytest.mark.slow), pytest.param(1, marks=pytest.mark.large)])
@pytest.mark.parametrize(("code", "after"), [(errno.ENOSPC, False), (errno.EIO, True)], ids=["full", "failing"])
def test_whatever_write_fails_the_outcome_is_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calm: dict[str, Any], each: int, code: int, after: bool
) -> None:
    for life in storms(tmp_path, monkeypatch, each=each, code=code, after=after):
        assert life.outcome() == calm, f"{life.world.home} differs"


@pytest.mark.slow
def test_without_the_mending_a_quest_would_be_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calm: dict[str, Any]
) -> None:
    monkeypatch.setattr(recovery, "finish_half_done", lambda _: None)
    lives = storms(tmp_path, monkeypatch, each=1, code=errno.ENOSPC, after=False)
    assert not _all_end_as(calm, lives)


def _all_end_as(calm: dict[str, Any], lives: Iterator[Life]) -> bool:
    """A life whose quest is lost may not even come to its end: there is no order to begin."""
    try:
        return all(life.outcome() == calm for life in lives)
    except (AssertionError, IndexError):
        return False


def test_without_the_guard_the_daemon_would_die(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk_errors, "passes", lambda _: False)
    with pytest.raises(disk_errors.TROUBLES):
        next(storms(tmp_path, monkeypatch, each=1, code=errno.ENOSPC, after=False))


def status(world: World) -> dict[str, Any]:
    said: dict[str, Any] = json.loads(world.arena_status.read_bytes())
    return said


def test_a_disk_that_stays_full_is_told_and_lived_through(
    world: World,
    trainer: FakeTrainer,
    clock: Clock,
    open_daemon: Callable[..., ArenaDaemon],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    daemon = open_daemon()
    settle(daemon)
    ballast = world.status / BALLAST_FILE
    assert ballast.exists()
    drop(world, "a.jsonl")
    write_json = durable.write_json

    def full_but_for_the_status(path: Path, value: Any, **options: Any) -> None:
        if path.parent != world.status or ballast.exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        write_json(path, value, **options)

    with monkeypatch.context() as full:
        full.setattr(durable, "write_json", full_but_for_the_status)
        full.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(100, 93, 7))
        for _ in range(5):
            daemon.tick()
        said = status(world)["message"]
        assert said.startswith(f"The arena cannot write to {world.home} (No space left on device: ")
        assert "7 bytes are free" in said
        assert not ballast.exists()
        assert states() == {"a": "arrived"}
    clock.now += 3
    settle(daemon)
    assert states() == {"a": "battling"}
    assert status(world)["message"] == ""
    assert ballast.exists()
    assert [kind for kind in told() if kind.startswith("disk_")] == ["disk_trouble", "disk_recovered"]


def test_a_fault_of_the_program_still_ends_it(
    world: World, trainer: FakeTrainer, open_daemon: Callable[..., ArenaDaemon], monkeypatch: pytest.MonkeyPatch
) -> None:
    daemon = open_daemon()
    for fault in (OSError(errno.ENOTDIR, "not a folder"), OperationalError("no such table")):
        if isinstance(fault, OperationalError):
            fault.__cause__ = sqlite3.OperationalError("no such table")
            fault.__cause__.sqlite_errorcode = sqlite3.SQLITE_ERROR
        monkeypatch.setattr(inbox, "look", raising(fault))
        with pytest.raises(type(fault)):
            daemon.tick()


def raising(fault: Exception) -> Callable[..., inbox.Arrivals]:
    def look(*_: object) -> inbox.Arrivals:
        raise fault

    return look


def test_a_trainer_that_waits_for_room_is_shown_as_paused(
    world: World,
    trainer: FakeTrainer,
    clock: Clock,
    open_daemon: Callable[..., ArenaDaemon],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drop(world, "a.jsonl")
    drop(world, "b.jsonl")
    daemon = open_daemon()
    settle(daemon)
    trainer.begin()
    trainer.busy = True
    settle(daemon)
    asked = list[str]()
    monkeypatch.setattr("arena.daemon.loop.shelf.apply", lambda world, config, hero, **_: asked.append(hero))
    trainer.trouble = "no room on /data: 900 bytes are needed, 7 are free"
    settle(daemon)
    settle(daemon)
    assert asked == ["DIO"], "the treasury gives what it can, once"
    assert (status(world)["state"], status(world)["message"]) == ("paused", trainer.trouble)
    assert arena_status.read_status(world).waits is False, "nobody holds the daemon's lock in this test"
    assert not (world.status / BALLAST_FILE).exists(), "the room is needed"
    clock.now += 3600
    settle(daemon)
    assert len(trainer.orders) == trainer.starts == 1
    trainer.trouble = ""
    settle(daemon)
    assert (status(world)["state"], status(world)["message"]) == ("training", "")
    assert [kind for kind in told() if kind.startswith("disk_")] == ["disk_trouble", "disk_recovered"]
    assert (world.status / BALLAST_FILE).exists()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_a_real_volume_fills_up_and_is_emptied(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", str(volume)], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        arena = LiveArena(volume / "world", tiny_hero.make_base(tmp_path / "base"))
        try:
            _fill_and_empty(arena, volume / "filler")
        finally:
            arena.stop()
    finally:
        subprocess.run(["umount", str(volume)], check=True)


def _fill_and_empty(arena: LiveArena, filler: Path) -> None:
    arena.start()
    arena.wait_for(lambda: arena.status.get("state") == "idle", "the daemon is idle")
    daemon = arena.daemon
    assert daemon is not None
    arena.drop("a.jsonl", 1500, seed=1)
    arena.wait_for(lambda: any(arena.world.battles.glob("*/steps.bin")), "a battle is fought")
    with open(filler, "wb", buffering=0) as file:
        while _write(file):
            pass
    arena.wait_for(lambda: bool(arena.status.get("message")), "the trouble is told")
    message = arena.status["message"]
    assert str(filler.parent) in message
    assert "free" in message
    assert arena.completed() == set()
    filler.unlink()
    arena.wait_for(lambda: arena.completed() == {"a.jsonl"}, "the quest is completed")
    arena.wait_for(lambda: arena.status["message"] == "", "the trouble is over")
    assert daemon.poll() is None


def _write(file: FileIO) -> bool:
    """Fill what is left, down to the last block; false when nothing more fits."""
    for size in (1 << 20, 4096):
        try:
            file.write(bytes(size))
        except OSError:
            continue
        return True
    return False
