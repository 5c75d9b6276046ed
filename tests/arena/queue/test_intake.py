"""What goes wrong around a quest ends neither the daemon nor the quests beside it, and leaves nothing behind."""

from __future__ import annotations

import errno
import gzip
import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest

from arena.daemon import battles, events, recovery
from arena.daemon.loop import ArenaDaemon
from arena.gate import process, row_index
from arena.gate import report as reports
from arena.gate.inspection import Look, inspect_in_place
from arena.gate.messages import Answer, Job, state_of
from arena.gate.process import GateProcess, GateSettings
from arena.gate.report import NO_WISHES, Wishes
from arena.gate.rules import GateRules
from arena.models import Battle, Quest
from arena.protocol import REFUSED_FILE
from arena.quest_orders import Act
from arena.queue import admission
from arena.queue import files as queue
from arena.queue.intake import Doorway
from arena.recipe import Recipe
from arena.rows.limits import INSPECTED
from arena.rows.lines import content_digest
from arena.rows.model import UnreadableQuest
from realm.disk import durable
from realm.processes.child import ChildProcess
from realm.world import World
from tests.arena.daemon.test_loop import CONFIG, Clock, clock, drop, open_daemon, settle, states, told, trainer
from tests.arena.queue.test_acts import daemon, order
from tests.support.fake_trainer import FakeTrainer
from tests.support.local_gate import LocalGate, admit

__all__ = ["clock", "daemon", "open_daemon", "trainer"]  # fixtures

pytestmark = pytest.mark.django_db(transaction=True)
Opener = Callable[..., ArenaDaemon]
ROW = '{{"prompt": "a", "completion": "{0}"}}\n'


class FailingDisk(LocalGate):
    """Cannot read files called bad."""

    code = errno.EIO

    def give(self, job: Job) -> None:
        if "bad" not in job.path:
            return super().give(job)
        self.jobs.append(job)
        self._answers.append(
            Answer(
                number=job.number,
                path=job.path,
                seen=state_of(Path(job.path)),
                unreadable=os.strerror(self.code),
                errno=self.code,
            )
        )
        return None


def put(folder: Path, name: str, *answers: str) -> Path:
    path = folder / name
    path.write_text("".join(map(ROW.format, answers)))
    os.utime(path, (1, 1))
    return path


def look_at_a_bad_sector(daemon: ArenaDaemon, clock: Clock) -> None:
    daemon._doorway._gate = FailingDisk(daemon.world)
    drop(daemon.world, "bad.jsonl")
    for _ in range(30):
        settle(daemon)
        clock.now += 1.0


def test_a_file_that_the_disk_cannot_give_is_refused_in_the_end(
    daemon: ArenaDaemon, trainer: FakeTrainer, clock: Clock
) -> None:
    look_at_a_bad_sector(daemon, clock)
    assert states()["bad"] == "failed"
    assert len(cast(FailingDisk, daemon._doorway._gate).jobs) == 4
    assert told().count("disk_trouble") <= 4


def test_twin_a_bad_sector_would_be_told_of_for_ever(
    daemon: ArenaDaemon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("arena.queue.intake.MOST_READ_ERRORS", 10**9)
    monkeypatch.setattr("arena.queue.intake.READ_AGAIN_SECONDS", 0.0)
    look_at_a_bad_sector(daemon, clock)
    assert states()["bad"] == "arrived"
    assert len(cast(FailingDisk, daemon._doorway._gate).jobs) > 10


@pytest.mark.parametrize("within", [(), ("kept.txt",)])
def test_a_folder_that_was_taken_for_a_quest_is_deleted_only_if_empty(
    daemon: ArenaDaemon, within: tuple[str, ...]
) -> None:
    folder = daemon.world.lane("normal") / "folder.jsonl"
    folder.mkdir()
    for name in within:
        (folder / name).touch()
    settle(daemon)
    assert states()["folder"] == "failed"
    order(daemon, Act.DISCARD, "folder")
    assert (daemon.world.failed / "folder.jsonl").exists() == bool(within)
    assert ("order_refused" in told()) == bool(within)
    assert not list(daemon.world.control.glob("*.quests.json"))


def test_wishes_of_a_copy_that_failed_are_no_other_files(world: World, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        queue.add_file(world, tmp_path / "a.jsonl", priority="normal", wishes=Wishes(force=True))
    assert not os.listdir(world.lane("normal"))


def test_wishes_left_by_a_kill_are_no_other_files(world: World) -> None:
    reports.write_wishes(world.lane("normal") / "a.jsonl", Wishes(force=True))
    put(world.inbox, "a.jsonl", "b")
    (quest,) = admit(world)
    assert reports.read_wishes(queue.path_of(world, quest)) == NO_WISHES


def test_of_two_that_take_a_name_at_once_each_keeps_its_wishes(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = put(tmp_path, "mine.jsonl", "b"), put(tmp_path, "other.jsonl", "c")
    unclaimed, came = queue._unclaimed_name, []

    def late(lane: Path, name: str) -> Path:
        chosen = unclaimed(lane, name)
        if not came:  # the other takes the same name before we do
            came.append(name)
            wishes = Wishes(hold=True)
            reports.write_wishes(chosen, wishes)
            chosen.write_bytes(other.read_bytes())
        return chosen

    monkeypatch.setattr(queue, "_unclaimed_name", late)
    for wishes in (NO_WISHES, Wishes(force=True)):
        came.clear()
        first = unclaimed(world.lane("normal"), "mine.jsonl")
        added = queue.add_file(world, mine, priority="normal", wishes=wishes)
        assert (reports.read_wishes(first), first.read_bytes()) == (Wishes(hold=True), other.read_bytes())
        assert (reports.read_wishes(added), added.read_bytes()) == (wishes, mine.read_bytes())


def test_an_index_that_lost_its_marks_with_the_power_is_none(world: World) -> None:
    path = put(world.inbox, "a.jsonl", "b", "b", "c", "b")
    (quest,) = admit(world)
    path = queue.path_of(world, quest)
    assert reports.is_complete(path)
    records = row_index.load(reports.companion(path, reports.ROWS), mode="r+")
    assert records is not None
    whole = records.copy()
    for torn, value in (("verdict", row_index.TAKEN), ("line", 0)):
        records[torn][1] = value
        assert not reports.is_complete(path)
        records[:] = whole
    assert reports.is_complete(path)


def test_the_daemon_never_waits_for_a_busy_gate(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of what a pipe holds is always taken at once."""
    assert bytes_given_ahead(world) <= process.MOST_BYTES_UNDERWAY
    monkeypatch.setattr(process, "MOST_BYTES_UNDERWAY", 10**9)
    assert bytes_given_ahead(world) > 65536  # without the bound more than a pipe holds


def bytes_given_ahead(world: World) -> int:
    gate, sent = GateProcess(world, lambda: None, (sys.executable, "-c", "")), []
    gate._child = cast(ChildProcess, SimpleNamespace(send=sent.append))
    specs = {f"form-{number}": {"user": "question" * 5, "assistant": "answer" * 5} for number in range(60)}
    while gate.has_room:
        number = gate.next_number()
        gate.give(Job(number=number, path="a", rules=GateRules(), recipe=Recipe(), tokenizer=None, specs=specs))
    assert sent
    return sum(map(len, sent))


def in_place(path: Path, on_progress: Callable[[int, int], None] = lambda rows, size: None) -> None:
    inspect_in_place(path, Look(rules=GateRules(), recipe=Recipe()), on_progress=on_progress)


@pytest.mark.parametrize("content", [b"\x89PNG\r\n\x1a\n", b'{"text": "a"}\n' * 9 + b"\0" * 2**21])
def test_a_file_that_cannot_be_read_leaves_nothing_beside_it(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with suppress(UnreadableQuest):
        in_place(path)
        for found in reports.companions(path):
            found.unlink()
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_a_quest_that_leaves_while_it_is_looked_at_ends_the_look_in_words(tmp_path: Path) -> None:
    """As when the player cancels it: what lies beside it moves with it."""
    path = put(tmp_path, "a.jsonl", "b")
    index = reports.companion(path, reports.ROWS)
    with pytest.raises(UnreadableQuest, match="was moved"):
        in_place(path, lambda rows, size: index.unlink(missing_ok=True))
    assert os.listdir(tmp_path) == ["a.jsonl"]


def test_it_tells_that_it_goes_on_while_it_seeks_the_refused_rows(tmp_path: Path) -> None:
    path = put(tmp_path, "a.jsonl", *map(str, range(2000)))
    path.write_text(path.read_text() + "{broken\n")
    calls: list[int] = []
    in_place(path, lambda rows, size: calls.append(rows))
    assert np.count_nonzero(np.array(calls) == 2001) > 2000


def test_a_file_taken_away_while_the_lanes_are_looked_through(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    gone, stays = put(world.lane("normal"), "a.jsonl", "b"), put(world.lane("normal"), "b.jsonl", "b")

    def look_and_lose(path: Path) -> bool:
        if path == gone:
            path.unlink()
        return False

    monkeypatch.setattr(queue, "has_writer", look_and_lose)
    assert queue.Lanes(world).unknown_files() == [("normal", stays)]
    assert [quest.name for quest in queue.see(world, [("normal", gone), ("normal", stays)])] == ["b"]


def test_any_name_in_any_folder_of_the_queue_is_lived_with(world: World) -> None:
    for folder in (world.failed, world.recently_completed):
        put(folder, os.fsdecode(b"\xff.jsonl"), "b")
    recovery.bring_into_line(world)
    assert sorted(Quest.objects.values_list("name", "state")) == [("\\xff", "completed"), ("\\xff", "failed")]


class Killed(BaseException):
    """As `kill -9`: nothing that follows is done."""


def cut_off(*_: object) -> None:
    raise Killed


@pytest.mark.parametrize("at", ["realm.disk.durable.move", "arena.queue.files._set_state"])
def test_what_was_forced_stays_forced_whenever_the_daemon_is_killed(
    world: World, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    for name, wishes in (("first", NO_WISHES), ("second", Wishes(force=True))):
        queue.add_file(world, put(world.home, f"{name}.jsonl", "b"), priority="normal", wishes=wishes)
        admit(world)
    second = Quest.objects.get(name="second", state=Quest.State.QUEUED)
    with monkeypatch.context() as dying:
        dying.setattr(at, cut_off)
        with pytest.raises(Killed):
            queue.begin(world, second)
    recovery.bring_into_line(world)
    second.refresh_from_db()
    queue.look_again(world, second)
    admit(world)
    second.refresh_from_db()
    assert (second.state, second.reason) == (Quest.State.QUEUED, "")


def test_a_refusal_by_the_settings_and_a_kill_make_no_second_quest(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(world.inbox, "large.jsonl", *map(str, range(200)))
    with monkeypatch.context() as dying:
        dying.setattr(queue, "_set_state", cut_off)
        with pytest.raises(Killed):
            admit(world, rules=GateRules(largest_gb=1e-6))
    recovery.bring_into_line(world)
    admit(world)
    assert list(Quest.objects.values_list("name", "state", "refusal")) == [("large", "failed", "too-large")]


def test_a_new_file_does_not_take_the_row_of_one_that_was_taken_away(world: World) -> None:
    put(world.inbox, "a.jsonl", "b")
    (old,) = admit(world)
    queue.path_of(world, old).unlink()
    queue.add_file(world, put(world.home, "a.jsonl", "c"), priority="normal")
    (new,) = admit(world)
    assert (new.state, new.file) == (Quest.State.QUEUED, "normal/a-2.jsonl")


def test_what_came_behind_the_arranged_stays_behind_when_the_database_is_lost(daemon: ArenaDaemon) -> None:
    for name in ("a", "b", "c", "d"):
        put(daemon.world.inbox, f"{name}.jsonl", name)
        settle(daemon)
        if name == "c":
            order(daemon, Act.MOVE, "c", before="a", priority="normal")
    arranged = ["c", "a", "b", "d"]
    assert [quest.name for quest in queue.waiting()] == arranged
    os.utime(daemon.world.lane("normal") / "d.jsonl", (0, 0))
    Quest.objects.filter(name__in=arranged).delete()
    admit(daemon.world)
    assert [quest.name for quest in queue.waiting()] == arranged


def test_an_order_to_force_that_the_disk_cut_short_is_told(
    daemon: ArenaDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(daemon.world.inbox, "a.jsonl", "b")
    settle(daemon)
    quest = Quest.objects.get(name="a")
    queue.begin(daemon.world, quest)
    queue.complete(daemon.world, quest)

    def full(source: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr("realm.disk.durable.copy", full)
    order(daemon, Act.FORCE, "a")
    assert "order_refused" in told()


def test_rows_that_the_trainer_refuses_are_no_longer_counted_as_taken(daemon: ArenaDaemon) -> None:
    battle = Battle.objects.get()
    path = queue.path_of(daemon.world, battle.quest)
    refused = [{"line": 1, "reason": "too long for the settings of now"}]
    durable.write_json(daemon.world.battles / battle.battle_id / REFUSED_FILE, refused)
    events._extend_report(daemon.world, battle, refused_count=1)
    report = reports.read_report(path)
    assert report is not None
    assert (report.taken, Quest.objects.get(pk=battle.quest.pk).taken) == (0, 0)


def test_a_quest_over_the_usual_limits_is_known_again_by_its_content(tmp_path: Path) -> None:
    """The settings may allow more than the limits that hold without them."""
    path = tmp_path / "a.jsonl.gz"
    row = b'{"text": "' + b"a" * 10**6 + b'"}\n'
    with gzip.open(path, "wb") as file:
        for _ in range(80):
            file.write(row)
    with pytest.raises(UnreadableQuest):
        content_digest(path)
    assert queue._has_content(path, content_digest(path, INSPECTED))
    assert not queue._has_content(path, "")


def test_rows_left_out_for_a_quest_that_was_cancelled_are_trained_after_all(
    daemon: ArenaDaemon, trainer: FakeTrainer
) -> None:
    put(daemon.world.inbox, "first.jsonl", "shared", "mine")
    settle(daemon)
    put(daemon.world.inbox, "second.jsonl", "shared", "yours")
    settle(daemon)
    assert Quest.objects.get(name="second").taken == 1
    order(daemon, Act.CANCEL, "first")
    trainer.save(5)
    trainer.complete(5)
    settle(daemon)
    assert Quest.objects.get(name="second").taken == 2
    assert trainer.orders[-1].quest == "second"
    assert trainer.orders[-1].set_aside_file is None


def test_twin_without_asking_for_the_owner_they_would_be_lost(
    daemon: ArenaDaemon, trainer: FakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(admission, "misses_rows", lambda path: False)
    with pytest.raises(AssertionError):
        test_rows_left_out_for_a_quest_that_was_cancelled_are_trained_after_all(daemon, trainer)


def test_a_disk_full_for_the_gatekeepers_alone_is_told_once(
    daemon: ArenaDaemon, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = FailingDisk(daemon.world)
    daemon._doorway._gate = gate
    gate.code = errno.ENOSPC
    drop(daemon.world, "bad.jsonl")
    drop(daemon.world, "good.jsonl")
    for _ in range(60):
        daemon.tick()
        clock.now += 0.5
    kinds = [kind for kind in told() if kind.startswith("disk_")]
    assert kinds.count("disk_trouble") <= 2
    assert len(gate.jobs) < 40
    daemon._doorway._gate = LocalGate(daemon.world)
    for _ in range(10):
        daemon.tick()
        clock.now += 0.5
    assert (states()["bad"], states()["good"]) == ("queued", "queued")
    assert [kind for kind in told() if kind.startswith("disk_")][-1] == "disk_recovered"


def test_an_inbox_on_another_file_system_is_emptied_by_copying(
    daemon: ArenaDaemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    rename = durable.rename

    def not_across(source: Path, target: Path) -> None:
        if source.parent == daemon.world.inbox:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        rename(source, target)

    monkeypatch.setattr(durable, "rename", not_across)
    path = put(daemon.world.inbox, "far.jsonl", "away")
    os.mkfifo(daemon.world.inbox / "pipe.jsonl")
    for _ in range(200):
        daemon.tick()
        if states().get("far") == "queued":
            break
        time.sleep(0.02)
    assert states()["far"] == "queued"
    assert not path.exists()
    assert "pipe.jsonl" in daemon._doorway.trouble


def test_a_small_quest_does_not_wait_for_a_large_one(
    world: World, clock: Clock, trainer: FakeTrainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "LARGE_BYTES", 200)
    battles.ensure_hero(world, CONFIG)
    put(world.inbox, "large.jsonl", *(f"answer {number}" for number in range(50)))
    put(world.inbox, "small.jsonl", "answer 1", "mine")
    busy = Busy(world)
    settings = GateSettings(rules=GateRules(), recipe=Recipe(), tokenizer=None, specs={})
    doorway = Doorway(world, LocalGate(world), lambda: settings, large_gate=busy, clock=clock)
    while doorway.look():
        pass
    assert states() == {"large": "arrived", "small": "queued"}
    busy.free = True
    while doorway.look():
        pass
    assert states() == {"large": "queued", "small": "queued"}
    assert [job.fresh for job in busy.jobs] == [False]
    # What one of them let pass the other is told to look up: "answer 2" is in the large one by now.
    put(world.inbox, "later.jsonl", "answer 2", "other")
    while doorway.look():
        pass
    assert Quest.objects.get(name="later").taken == 1


class Busy(LocalGate):
    """Answers only when it is let."""

    free = False

    def take_answers(self) -> list[Answer]:
        return super().take_answers() if self.free else []
