"""Each step is carried once, whatever is cut, done again or restarted meanwhile, and the run is what now stands."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from arena.bridges import feed
from arena.bridges.battle import BattleRun, Point, battles, run_of
from arena.bridges.carrying import Carrier
from arena.bridges.feed import Cursor
from arena.protocol import EventKind
from realm.world import World
from tests.arena.bridges.fake_battle import FakeBattle


class FakeTool:
    """Its files are a list of what each step was, by tag; one that does not append begins with an empty list."""

    def __init__(self, *, appends: bool = True) -> None:
        self.appends = appends
        self.runs: dict[str, list[tuple[int, str, float]]] = {}
        self.written = 0

    def writer(self, run: BattleRun) -> FakeWriter:
        return FakeWriter(self, run.battle)

    def close(self) -> None: ...


class FakeWriter:
    def __init__(self, tool: FakeTool, battle: str) -> None:
        self._tool, self._battle = tool, battle

    def begin(self, *, step: int) -> None:
        assert self._tool.appends or not step
        self._tool.runs[self._battle] = [one for one in self._tool.runs.get(self._battle, []) if one[0] <= step]

    def write(self, points: Sequence[Point]) -> None:
        values = [(point.step, tag, value) for point in points for tag, value in point.values.items()]
        self._tool.runs[self._battle] += values
        self._tool.written += len(points)

    def flush(self) -> None: ...
    def close(self) -> None: ...


@pytest.fixture(params=[True, False], ids=["appending", "anew"])
def tool(request: pytest.FixtureRequest) -> FakeTool:
    return FakeTool(appends=request.param)


@pytest.fixture
def battle(world: World) -> FakeBattle:
    return FakeBattle(world)


@pytest.fixture
def carry(world: World, tool: FakeTool, tmp_path: Path) -> Callable[[], int]:
    """By a bridge that is started anew each time."""

    def once() -> int:
        with Carrier(world, tool, tmp_path / "out") as carrier:
            return carrier.carry("q-1")

    return once


def curve(tool: FakeTool, tag: str = "train/loss") -> list[tuple[int, float]]:
    return [(step, value) for step, name, value in tool.runs["q-1"] if name == tag]


def test_each_step_is_carried_once(battle: FakeBattle, tool: FakeTool, carry: Callable[[], int]) -> None:
    battle.steps(1, 10)
    battle.validated(10, 0.5)
    carry()
    assert carry() == 0
    battle.steps(11, 15)
    carry()
    assert curve(tool) == [(step, float(step)) for step in range(1, 16)]
    assert curve(tool, "val/bin/2") == [(10, 0.5)]
    assert curve(tool, "train/tokens_per_second")[0] == (1, 200.0)


def cut_and_done_again(battle: FakeBattle, carry: Callable[[], int]) -> None:
    battle.steps(1, 20)
    battle.validated(10, 0.5)
    battle.validated(18, 0.7)
    carry()
    battle.cut_after(15)
    battle.steps(16, 25, loss=99.0)
    carry()


def test_what_a_restart_does_again_stands_once(battle: FakeBattle, tool: FakeTool, carry: Callable[[], int]) -> None:
    cut_and_done_again(battle, carry)
    assert curve(tool) == [(step, step if step <= 15 else 99.0) for step in range(1, 26)]
    assert curve(tool, "val/loss") == [(10, 0.5), (18, 0.7)]


@pytest.mark.parametrize("tool", [True], indirect=True)
def test_who_does_not_look_back_keeps_what_was_undone(
    battle: FakeBattle, tool: FakeTool, carry: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The twin."""
    monkeypatch.setattr(feed, "_undone", lambda path, cursor: (None, cursor.records))
    cut_and_done_again(battle, carry)
    assert curve(tool)[15:20] != [(step, 99.0) for step in range(16, 21)]


def test_a_divergence_takes_its_scores_with_it(battle: FakeBattle, tool: FakeTool, carry: Callable[[], int]) -> None:
    battle.steps(1, 20)
    battle.validated(18, 0.7)
    carry()
    battle.cut_after(10)
    battle.event(EventKind.FAULT, 20, fault="divergence", undone_after=10)
    carry()
    assert curve(tool)[-1][0] == 10
    assert curve(tool, "val/loss") == []
    battle.steps(11, 18)
    battle.validated(18, 0.3)
    carry()
    assert curve(tool, "val/loss") == [(18, 0.3)]


def test_while_it_is_followed_it_is_the_same(world: World, battle: FakeBattle, tool: FakeTool, tmp_path: Path) -> None:
    acts = [
        lambda: battle.steps(1, 20), lambda: battle.cut_after(5), lambda: battle.steps(6, 8),
        lambda: battle.cut_after(0), lambda: battle.steps(1, 3),
    ]  # fmt: skip

    def wait(seconds: float) -> bool:
        if acts:
            acts.pop(0)()
            return False
        return True

    with Carrier(world, tool, tmp_path / "out") as carrier:
        carrier.follow(lambda: battles(world), wait)
    assert [step for step, _ in curve(tool)] == [1, 2, 3]


def test_steps_that_are_not_finite_and_torn_ends_are_no_trouble(
    battle: FakeBattle, tool: FakeTool, carry: Callable[[], int]
) -> None:
    battle.steps(1, 2, loss=math.nan)
    with open(battle.steps_file, "ab") as file:
        file.write(b"half")
    with open(battle.folder / "events.jsonl", "ab") as file:
        file.write(b"[]\nno event\n" + b"[" * 100_000 + b'\n{"half')
    carry()
    assert [math.isnan(value) for _, value in curve(tool)] == [True, True]


def test_many_records_come_in_portions(
    battle: FakeBattle, tool: FakeTool, carry: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(feed, "MOST_RECORDS", 7)
    battle.steps(1, 30)
    assert carry() == 30
    assert [step for step, _ in curve(tool)] == list(range(1, 31))


def test_a_damaged_cursor_carries_all_again(
    battle: FakeBattle, tool: FakeTool, carry: Callable[[], int], tmp_path: Path
) -> None:
    battle.steps(1, 5)
    carry()
    (path,) = (tmp_path / "out" / ".cursors").iterdir()
    path.write_text('{"records": "many"}')
    carry()
    assert [step for step, _ in curve(tool)] == [1, 2, 3, 4, 5]


def test_a_run_has_its_recipe_and_tags_and_needs_no_order(world: World, battle: FakeBattle) -> None:
    run = run_of(world, "q-1")
    assert (run.config["learning_rate"], run.config["quest"]) == (1e-3, "q")
    assert run.tags == ("DIO", "q", "bin", "full")
    for damaged in ("", "[]", '{"recipe": 3}', "[" * 100_000):
        (battle.folder / "order.json").write_text(damaged)
        assert run_of(world, "q-1").config == {"battle": "q-1"}


def test_a_tool_that_begins_anew_has_nothing_until_it_is_closed(
    world: World, battle: FakeBattle, tmp_path: Path
) -> None:
    """A bridge that is killed leaves no whole file, and no cursor that says so."""
    battle.steps(1, 5)
    carrier = Carrier(world, FakeTool(appends=False), tmp_path / "out")
    carrier.carry("q-1")
    assert Cursor.read(tmp_path / "out" / ".cursors" / "q-1.json") == Cursor()
