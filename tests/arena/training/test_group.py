"""Several processes under one launcher, as the daemon starts them: orders, a pause, a killed rank, signs of life."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from arena.daemon.trainer.process import Group, TrainerProcess
from arena.protocol import SHORTAGE_FILE, STEPS_FILE, Command, EventKind, Order, StepRecord
from arena.training import shortage
from arena.training.rank_calls import SILENT_SECONDS, OrdersOfMain, SignsOfLife
from arena.training.ranks import Ranks
from arena.training.reporting.battle_log import BattleLog
from arena.training.saving.full_disk import Room
from realm.world import World
from tests.support import tiny_hero
from tests.support.runs import digests, events_of

TIMEOUT_SECONDS = 200.0
RECIPE = replace(tiny_hero.RECIPE, processes=2, rows_per_micro_batch=1, save_every=4)


def wait_for(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def members(trainer: TrainerProcess) -> list[psutil.Process]:
    """The launcher, then its ranks in order."""
    launcher = psutil.Process(trainer.pid)
    return [launcher, *sorted(launcher.children(), key=lambda each: int(each.environ()["RANK"]))]


def steps_of(order: Order) -> int:
    path = Path(order.battle_folder) / STEPS_FILE
    return path.stat().st_size // StepRecord.SIZE if path.exists() else 0


@pytest.fixture
def group(world: World) -> Iterator[TrainerProcess]:
    trainer = TrainerProcess(world, lambda: None)
    trainer.group = Group.of(RECIPE)
    yield trainer
    trainer.shut_down()


def begin(group: TrainerProcess, order: Order) -> None:
    group.start()
    wait_for(lambda: group.ready)
    group.run(Path(order.battle_folder) / "order.json")


def order_in(folder: Path) -> Order:
    folder.mkdir()
    return tiny_hero.make_order(folder, rows=120, recipe=RECIPE)


def loses_its_second_rank(group: TrainerProcess, order: Order, after: int) -> None:
    """In mid-battle, by a kill; the others end with it. (Of a killed launcher: scripts/campaign.sh ranks.)"""
    wait_for(lambda: steps_of(order) > after)
    struck = members(group)
    struck[2].kill()
    wait_for(lambda: group.exit_code is not None)
    _, stayed = psutil.wait_procs(struck[1:], timeout=TIMEOUT_SECONDS)
    assert not stayed
    group.reap()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_what_is_paused_and_killed_ends_in_the_weights_of_what_is_not(
    world: World, group: TrainerProcess, tmp_path: Path
) -> None:
    calm, stormy = order_in(tmp_path / "calm"), order_in(tmp_path / "stormy")

    # One after the other in the same processes; the second is paused.
    begin(group, calm)
    wait_for(lambda: group.ready)
    assert events_of(calm)[-1].kind == EventKind.BATTLE_COMPLETED
    group.run(Path(stormy.battle_folder) / "order.json")
    wait_for(lambda: steps_of(stormy) > 1)
    group.send(Command.PAUSE)
    wait_for(lambda: group.ready)
    assert events_of(stormy)[-1].kind == EventKind.BATTLE_PAUSED

    # It goes on, and one of them is killed.
    group.run(Path(stormy.battle_folder) / "order.json")
    loses_its_second_rank(group, stormy, after=steps_of(stormy))
    assert group.last_lines(1) == "rank 1 of 2 ended by signal 9"
    begin(group, stormy)
    wait_for(lambda: group.ready)
    assert events_of(stormy)[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(stormy) == digests(calm)


class Board:
    """A store that one process holds."""

    def __init__(self) -> None:
        self.values: dict[str, bytes] = {}
        self.counts: dict[str, int] = {}

    def set(self, key: str, value: str) -> None:
        self.values[key] = value.encode()

    def get(self, key: str) -> bytes:
        return self.values[key]

    def wait(self, keys: list[str], _: object) -> None:
        from torch.distributed import DistStoreError

        if not all(key in self.values for key in keys):
            raise DistStoreError("timed out")

    def add(self, key: str, count: int) -> int:
        self.counts[key] = self.counts.get(key, 0) + count
        return self.counts[key]


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    monkeypatch.setattr("arena.training.rank_calls._store", lambda: board)
    return board


def test_every_rank_is_given_each_order_once_and_then_leaves(board: Board) -> None:
    main, other = OrdersOfMain(), OrdersOfMain()
    main.hand_on(Path("/a"))
    main.hand_on(Path("/b"))
    assert [other.next(lambda: False) for _ in range(2)] == [Path("/a"), Path("/b")]
    assert other.next(iter([False, True]).__next__) is None  # asked to leave while it waits
    main.hand_on(None)
    assert other.next(lambda: False) is None


def test_another_machine_finds_an_order_where_it_has_mounted_the_world(
    board: Board, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REALM_HOME", str(world.home))
    OrdersOfMain().hand_on(world.battles / "b" / "order.json")
    monkeypatch.setenv("REALM_HOME", "/mnt/realm")
    found = OrdersOfMain().next(lambda: False)
    assert found == Path("/mnt/realm") / (world.battles / "b" / "order.json").relative_to(world.home)


def lost_after_all_were_stopped(now: list[float]) -> str:
    """What the first rank finds where it looks before the others, after the machine has slept."""
    main, other = (SignsOfLife(Ranks(index, 2), clock=lambda: now[0]) for index in (0, 1))
    for _ in range(5):
        now[0] += 2
        other.give()
        main.lost()
    now[0] += 3600
    return main.lost()


def test_who_was_stopped_itself_finds_nobody_lost(board: Board) -> None:
    assert lost_after_all_were_stopped([0.0]) == ""


def test_twin_by_the_clock_alone_it_does(board: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("arena.training.rank_calls.LONGEST_LOOK_SECONDS", float("inf"))
    assert "has not answered" in lost_after_all_were_stopped([0.0])


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"rows": 2}', '{"rows": "x", "said": "", "step": 1, "quest_step": 1}']
)
def test_word_of_a_shortage_that_cannot_be_read_stops_no_battle(tmp_path: Path, text: str) -> None:
    order = order_in(tmp_path / "battle-folder")
    path = Path(order.battle_folder) / SHORTAGE_FILE
    path.write_text(text)
    log = BattleLog(path.parent, on_event=lambda _: None, room=Room(lambda _: None, lambda: False))
    assert shortage.take_up(order, log) == ""
    assert not path.exists()
    assert log.events == []
    log.close()


def test_a_rank_that_gives_no_sign_is_named(board: Board) -> None:
    now = [0.0]
    first, second = (SignsOfLife(Ranks(index, 3), clock=lambda: now[0]) for index in (1, 2))
    main = SignsOfLife(Ranks(0, 3), clock=lambda: now[0])
    for _ in range(20):
        now[0] += 2
        first.give()
        second.give()
        assert main.lost() == ""
    while not (said := main.lost()):
        now[0] += 2
        first.give()
    assert said == f"rank 2 of 3 has not answered for {SILENT_SECONDS:.0f} s"
