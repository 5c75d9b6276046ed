"""Files of the player's folders before the gatekeepers: looked at aside, told, and left as they are."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from arena import source_orders
from arena.daemon.loop import ArenaDaemon
from arena.gate import process
from arena.gate.messages import Answer, Job
from arena.gate.process import GateProcess, GateSettings
from arena.gate.rules import GateRules
from arena.models import ChronicleEntry, Quest
from arena.queue.asking import Wanted
from arena.recipe import Recipe
from arena.sources import folders, inspecting, records, taking
from arena.sources.folders import BadSource
from arena.sources.inspecting import Lookout
from arena.sources.records import Verdict
from realm.disk import durable, room
from realm.world import World
from tests.arena.daemon.test_loop import clock, open_daemon, settle, trainer
from tests.support.local_gate import LocalGate, admit

__all__ = ["clock", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
GOOD = "".join(f'{{"prompt": "what is {n}", "completion": "it is {n}"}}\n' for n in range(20))


@pytest.fixture
def folder(world: World, tmp_path: Path) -> Path:
    path = tmp_path / "data"
    (path / "talks").mkdir(parents=True)
    (path / "good.jsonl").write_text(GOOD)
    (path / "talks" / "flawed.jsonl").write_text(GOOD + "no row\n")
    (path / "bad.jsonl").write_text("no row\n")
    (path / "binary.jsonl").write_bytes(b"PAR1" + bytes(600))
    folders.register(world, "mine", str(path))
    return path


class Watchman:
    """A lookout with the gatekeepers in the test's own process."""

    def __init__(self, world: World, gate: Any = None) -> None:
        self.world, self.quests_wait = world, False
        self.damaged: list[str] = []
        self.gate = gate or LocalGate(world)
        rules = GateRules()
        self.lookout = Lookout(
            world,
            self.gate,
            lambda: GateSettings(rules=rules, recipe=Recipe(), tokenizer=None, specs={}),
            quests_wait=lambda: self.quests_wait,
            on_damaged=self.damaged.append,
            now=lambda: 1000.0,
        )

    def settle(self) -> None:
        while self.lookout.look():
            pass


@pytest.fixture
def watchman(world: World) -> Watchman:
    return Watchman(world)


def order(world: World, *names: str, source: str = "mine") -> Path:
    return source_orders.send(world, source=source, files=names, by="test")


def verdict(world: World, folder: Path, name: str) -> records.Found:
    return records.found_in(world, folders.find(folder, name))


def told(kind: str = "source_inspected") -> list[str]:
    return list(ChronicleEntry.objects.filter(kind=kind).order_by("id").values_list("message", flat=True))


def snapshot(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Of every folder and file: when it was changed, its mode, and its content."""
    return {
        str(path.relative_to(folder)): (
            path.stat().st_mtime_ns, path.stat().st_mode, path.read_bytes() if path.is_file() else b"",
        )
        for path in (folder, *folder.rglob("*"))
    }  # fmt: skip


def test_each_file_gets_its_verdict(world: World, folder: Path, watchman: Watchman) -> None:
    assert verdict(world, folder, "good.jsonl") == records.UNSEEN
    given = order(world, "good.jsonl", "talks/flawed.jsonl", "bad.jsonl", "binary.jsonl")
    watchman.settle()
    found = {name: verdict(world, folder, name) for name in ("good.jsonl", "talks/flawed.jsonl", "bad.jsonl")}
    assert [short.verdict for short in found.values()] == [Verdict.FINE, Verdict.FLAWED, Verdict.REFUSED]
    assert [(short.rows, short.refused) for short in found.values()] == [(20, 0), (21, 1), (1, 1)]
    assert found["bad.jsonl"].line == 1
    binary = verdict(world, folder, "binary.jsonl")
    assert (binary.verdict, binary.rows) == (Verdict.REFUSED, None)
    assert "a Parquet file" in binary.reason
    assert not given.exists()
    assert told() == ["The gatekeepers looked at 4 files of mine: 1 fine, 1 with refused or doubtful rows, 2 refused"]
    record = records.read(world, folder / "talks" / "flawed.jsonl")
    assert record is not None
    assert record.report is not None
    assert [refusal.line for refusal in record.report.refused] == [21]
    assert Quest.objects.count() == 0


def test_a_single_file_is_told_with_its_verdict(world: World, folder: Path, watchman: Watchman) -> None:
    for name in ("good.jsonl", "talks/flawed.jsonl", "bad.jsonl"):
        order(world, name)
    watchman.settle()
    fine, flawed, bad = told()
    assert fine.endswith("good.jsonl: fine, 20 rows")
    assert flawed.endswith("flawed.jsonl: 20 of 21 rows can be trained on, 1 refused")
    assert "bad.jsonl: it would be refused: line 1: " in bad


def test_the_players_folder_is_left_as_it_is(world: World, folder: Path, watchman: Watchman) -> None:
    before = snapshot(folder)
    _look_and_take(world, folder, watchman)
    assert snapshot(folder) == before
    assert len(list(world.source_reports.iterdir())) == 4


def test_twin_a_look_in_place_leaves_files_there(
    world: World, folder: Path, watchman: Watchman, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(folder)
    monkeypatch.setattr(inspecting, "Job", lambda **given: Job(**given | {"in_place": True}))
    _look_and_take(world, folder, watchman)
    assert set(snapshot(folder)) - set(before) >= {"good.jsonl.report.json", "good.jsonl.rows.npy"}


def test_twin_a_take_that_moves_is_seen(
    world: World, folder: Path, watchman: Watchman, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = snapshot(folder)
    monkeypatch.setattr(durable, "copy", os.rename)
    _look_and_take(world, folder, watchman)
    assert snapshot(folder) != before


def _look_and_take(world: World, folder: Path, watchman: Watchman) -> None:
    names = [file.name for file in folders.files_in(folder).found]
    order(world, *names)
    watchman.settle()
    taking.take(world, folder, names, wanted=Wanted(by="test", priority="low", hold=True))
    admit(world)


def test_a_file_that_changed_is_told_as_stale(world: World, folder: Path, watchman: Watchman) -> None:
    order(world, "good.jsonl")
    watchman.settle()
    assert not verdict(world, folder, "good.jsonl").stale
    (folder / "good.jsonl").write_text(GOOD + "no row\n")
    assert verdict(world, folder, "good.jsonl").stale
    order(world, "good.jsonl")
    watchman.settle()
    found = verdict(world, folder, "good.jsonl")
    assert (found.verdict, found.stale) == (Verdict.FLAWED, False)


def test_nothing_is_looked_at_while_quests_wait(world: World, folder: Path, watchman: Watchman) -> None:
    given = order(world, "good.jsonl", "bad.jsonl")
    watchman.quests_wait = True
    watchman.settle()
    assert watchman.gate.jobs == []
    assert given.exists()
    watchman.quests_wait = False
    watchman.settle()
    assert [Path(job.path).name for job in watchman.gate.jobs] == ["good.jsonl", "bad.jsonl"]


def test_one_file_at_a_time_is_given(world: World, folder: Path) -> None:
    gate = SlowGate(world)
    watchman = Watchman(world, gate)
    order(world, "good.jsonl", "bad.jsonl")
    watchman.settle()
    assert [Path(job.path).name for job in gate.jobs] == ["good.jsonl"]
    gate.let_go()
    watchman.settle()
    assert [Path(job.path).name for job in gate.jobs] == ["good.jsonl", "bad.jsonl"]


class SlowGate(LocalGate):
    """Its answers are there when they are let go."""

    def __init__(self, world: World) -> None:
        super().__init__(world)
        self._kept: list[Answer] = []

    def take_answers(self) -> list[Answer]:
        kept, self._kept = self._kept, []
        return kept

    def let_go(self) -> None:
        self._kept = super().take_answers()


def test_a_daemon_that_is_killed_goes_on_where_it_was(world: World, folder: Path) -> None:
    gate = SlowGate(world)
    first = Watchman(world, gate)
    given = order(world, "good.jsonl", "bad.jsonl", "binary.jsonl")
    first.settle()
    gate.let_go()
    first.settle()  # the second file is underway, and then it is killed
    assert given.exists()
    second = Watchman(world)
    second.settle()
    assert [Path(job.path).name for job in second.gate.jobs] == ["bad.jsonl", "binary.jsonl"]
    assert told() == ["The gatekeepers looked at 3 files of mine: 1 fine, 2 refused"]
    assert not given.exists()


def test_a_full_disk_loses_no_verdict(
    world: World, folder: Path, watchman: Watchman, monkeypatch: pytest.MonkeyPatch
) -> None:
    order(world, "good.jsonl")

    def full(path: Path, value: object) -> None:
        raise OSError(28, "No space left on device", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(durable, "write_json", full)
        with pytest.raises(OSError, match="No space left"):
            watchman.settle()
    watchman.settle()
    assert verdict(world, folder, "good.jsonl").verdict is Verdict.FINE
    assert len(watchman.gate.jobs) == 1


def test_a_withdrawn_order_goes_no_further(world: World, folder: Path) -> None:
    gate = SlowGate(world)
    watchman = Watchman(world, gate)
    order(world, "good.jsonl", "bad.jsonl")
    kept = order(world, "binary.jsonl", source="other")
    watchman.settle()
    assert source_orders.withdraw(world, "mine") == 1
    gate.let_go()
    watchman.settle()
    assert [Path(job.path).name for job in gate.jobs] == ["good.jsonl"]
    assert (told(), verdict(world, folder, "good.jsonl")) == ([], records.UNSEEN)
    assert not kept.exists()  # its turn came, and there is no such source
    order(world, "binary.jsonl")
    watchman.settle()
    gate.let_go()
    watchman.settle()
    assert verdict(world, folder, "binary.jsonl").verdict is Verdict.REFUSED


def test_what_is_gone_or_leads_out_is_passed_over(
    world: World, folder: Path, tmp_path: Path, watchman: Watchman
) -> None:
    (tmp_path / "secret.jsonl").write_text(GOOD)
    (folder / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    given = order(world, "../secret.jsonl", "link.jsonl", "none.jsonl", "good.jsonl")
    watchman.settle()
    assert [Path(job.path).name for job in watchman.gate.jobs] == ["good.jsonl"]
    assert told() == ["The gatekeepers looked at 4 files of mine: 1 fine, 3 gone"]
    assert not given.exists()


def test_an_order_for_a_folder_that_is_not_registered_is_told(world: World, folder: Path, watchman: Watchman) -> None:
    given = order(world, "good.jsonl", source="theirs")
    (broken := world.control / "1.look.json").write_text('{"source": 1}')
    watchman.settle()
    assert [watchman.gate.jobs, given.exists(), broken.exists()] == [[], False, False]
    assert "no source 'theirs'" in told("order_refused")[0]


def test_records_go_with_their_folder_unless_another_source_has_the_files(
    world: World, folder: Path, watchman: Watchman
) -> None:
    order(world, "good.jsonl", "talks/flawed.jsonl")
    watchman.settle()
    records.forget_folder(world, folder, still_known=[folder / "talks"])
    assert verdict(world, folder, "good.jsonl") == records.UNSEEN
    assert verdict(world, folder, "talks/flawed.jsonl").verdict is Verdict.FLAWED


def test_taking_copies_into_the_lane_once(world: World, folder: Path) -> None:
    names = ["good.jsonl", "talks/flawed.jsonl", "../x.jsonl", "good.jsonl"]
    taken = taking.take(world, folder, names, wanted=Wanted(by="test", priority="high", hold=True))
    assert [path.relative_to(world.queue).as_posix() for path in taken.paths] == [
        "high/good.jsonl",
        "high/flawed.jsonl",
    ]
    assert len(taken.troubles) == 1
    admit(world)
    assert dict(Quest.objects.values_list("name", "state")) == {"good": "inspected", "flawed": "failed"}
    assert set(Quest.objects.values_list("priority", flat=True)) == {"high"}
    taking.take(world, folder, ["good.jsonl"], wanted=Wanted(by="test", priority="high", hold=False))
    (again,) = admit(world)
    assert (again.state, again.refusal) == ("failed", "duplicate")


def test_a_file_that_is_being_written_is_not_taken(world: World, folder: Path) -> None:
    with open(folder / "good.jsonl", "a"):
        taken = taking.take(world, folder, ["good.jsonl"], wanted=Wanted(by="test", priority="normal", hold=False))
    assert (taken.paths, len(taken.troubles)) == ([], 1)
    assert "still being written" in taken.troubles[0]


def test_nothing_is_taken_where_there_is_no_room(world: World, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "SPARE_BYTES", 2**62)
    with pytest.raises(BadSource, match="no room"):
        taking.take(world, folder, ["good.jsonl"], wanted=Wanted(by="test", priority="normal", hold=False))
    assert list(world.lane("normal").iterdir()) == []


DEADLY = "import sys, os\nfor line in sys.stdin:\n    os._exit(7)\n"


@pytest.fixture
def real_gate(world: World) -> Iterator[Callable[..., GateProcess]]:
    opened: list[GateProcess] = []

    def build(*command: str) -> GateProcess:
        gate = GateProcess(world, lambda: None, command or process.COMMAND, kind="aside")
        opened.append(gate)
        return gate

    yield build
    for gate in opened:
        gate.shut_down()


def wait_for(watchman: Watchman, path: Path) -> None:
    deadline = time.monotonic() + 60
    while path.exists():
        watchman.lookout.look()
        assert time.monotonic() < deadline, "the gatekeepers say nothing"
        time.sleep(0.02)


def test_a_process_of_its_own_looks_and_keeps_out_of_the_others_files(
    world: World, folder: Path, real_gate: Callable[..., GateProcess]
) -> None:
    watchman = Watchman(world, real_gate())
    wait_for(watchman, order(world, "good.jsonl", "binary.jsonl"))
    assert verdict(world, folder, "good.jsonl").verdict is Verdict.FINE
    assert sorted(path.name for path in (world.logs / "gate").iterdir()) == ["aside-gate.log"]


def test_a_file_that_kills_the_gatekeepers_is_told_as_refused(
    world: World, folder: Path, real_gate: Callable[..., GateProcess]
) -> None:
    watchman = Watchman(world, real_gate(sys.executable, "-c", DEADLY))
    wait_for(watchman, order(world, "good.jsonl"))
    found = verdict(world, folder, "good.jsonl")
    assert found.verdict is Verdict.REFUSED
    assert "exit code 7" in found.reason
    assert found.stale  # nobody knows what was read


def test_the_daemon_looks_in_a_tick_and_after_the_quests(
    world: World, folder: Path, open_daemon: Callable[..., ArenaDaemon]
) -> None:
    given = order(world, "good.jsonl")
    (world.inbox / "first.jsonl").write_text(GOOD)
    os.utime(world.inbox / "first.jsonl", (1, 1))
    daemon = open_daemon()
    daemon.looker = LocalGate(world)
    daemon._lookout._gate = daemon.looker
    settle(daemon)
    assert not given.exists()
    kinds = [
        kind for kind in ChronicleEntry.objects.order_by("id").values_list("kind", flat=True) if "_started" not in kind
    ]
    assert kinds == ["quest_arrived", "source_inspected"]
    assert "the same row is in the earlier quest first" in verdict(world, folder, "good.jsonl").reason
