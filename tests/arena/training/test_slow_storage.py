"""Storage that is slow keeps no step waiting: saves are put off, and the battle's log is written later."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from arena.protocol import STEPS_FILE, Event, EventKind, Order, StepRecord
from arena.training import train
from arena.training.control import Control
from arena.training.reporting import battle_log
from arena.training.reporting.log_writer import LogWriter
from arena.training.saving import checkpoint, patience
from arena.training.saving.saver import Saver
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.checkpoints.sidecar import Sidecar
from tests.support import tiny_hero
from tests.support.runs import digests, events_of, run

SAVE_EVERY = tiny_hero.RECIPE.save_every


class Steps:
    """How many the training has begun; who asks for one waits until it is there, or until the training waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self.begun = 0
        self._held = False

    def note(self, *, begun: int = 0, held: bool = False) -> None:
        with self._changed:
            self.begun, self._held = max(begun, self.begun), held
            self._changed.notify_all()

    def wait_for(self, step: int) -> int:
        """The step that the training has got to."""
        with self._changed:
            self._changed.wait_for(lambda: self.begun >= step or self._held)
            return self.begun


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    told, take_step, finished = Steps(), train.take_step, Saver.finished

    def noting(one: train.Run) -> bool:
        told.note(begun=one.trainee.step + 1)
        return take_step(one)

    def finishing(self: Saver, *, wait: bool = False) -> Any:
        told.note(held=wait)
        found = finished(self, wait=wait)
        told.note(held=False)
        return found

    monkeypatch.setattr(train, "take_step", noting)
    monkeypatch.setattr(Saver, "finished", finishing)
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    return told


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "mine").mkdir()
    return tiny_hero.make_order(tmp_path / "mine", rows=160)


def undisturbed(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "undisturbed").mkdir()
    twin = tiny_hero.make_order(tmp_path / "undisturbed", rows=160)
    run(twin)
    return digests(twin)


def reached_while_writing(patch: pytest.MonkeyPatch, steps: Steps, *, until: int) -> list[int]:
    """The first checkpoint is written until the training has got to `until`, or waits for it; where it stood then."""
    reached, write = list[int](), checkpoint.write

    def writing(*arguments: Any, **named: Any) -> Sidecar:
        if named["step"] == SAVE_EVERY:
            reached.append(steps.wait_for(until))
        return write(*arguments, **named)

    patch.setattr(checkpoint, "write", writing)
    return reached


def saved_steps(order: Order) -> list[int]:
    return sorted(sidecar.verify(folder).step for folder in checkpoint_folders(Path(order.hero_folder)))


@pytest.mark.slow
def test_a_save_that_is_due_while_the_one_before_is_written_is_put_off(
    order: Order, steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    late = 2 * SAVE_EVERY + 2
    assert late < 3 * SAVE_EVERY
    reached = reached_while_writing(monkeypatch, steps, until=late)
    events = run(order)
    assert reached == [late]
    first, second, *_ = saved_steps(order)
    assert first == SAVE_EVERY
    assert second >= late - 1
    told = next(event for event in events if event.kind == EventKind.CHECKPOINT_SAVED and event.step == second)
    assert told.data["put_off_steps"] == second - 2 * SAVE_EVERY
    assert f"{second - 2 * SAVE_EVERY} steps late: the storage is slow" in told.message.replace("1 step ", "1 steps ")
    assert f"step {2 * SAVE_EVERY}: its save is put off" in caplog.text
    monkeypatch.undo()
    assert digests(order) == undisturbed(tmp_path)


@pytest.mark.slow
def test_twin_a_saver_that_is_always_free_keeps_the_steps_waiting(
    order: Order, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Saver, "is_free", lambda self: True)
    late = 2 * SAVE_EVERY + 2
    (reached,) = (reached_while_writing(monkeypatch, steps, until=late),)
    run(order)
    assert reached == [2 * SAVE_EVERY]


@pytest.mark.slow
def test_a_pause_while_one_is_written_saves_the_last_step_and_goes_on_exactly(
    order: Order, steps: Steps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at, control = 2 * SAVE_EVERY + 2, Control()
    control.pause_at(at)
    reached_while_writing(monkeypatch, steps, until=at + 1)  # never begun before the pause has waited
    assert run(order, control)[-1].kind == EventKind.BATTLE_PAUSED
    assert saved_steps(order) == [SAVE_EVERY, at]
    monkeypatch.undo()
    assert run(order)[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == undisturbed(tmp_path)


def appends_in_the_training_thread(order: Order, steps: Steps, patch: pytest.MonkeyPatch) -> int:
    """Of steps' records, each of which takes until ten more steps are begun."""
    own, append = list[int](), battle_log._append_whole

    def appending(file: Any, data: bytes) -> None:
        if threading.current_thread() is threading.main_thread():
            own.append(len(data))
        elif file.name.endswith(STEPS_FILE):
            steps.wait_for(min(steps.begun + 10, 12))
        append(file, data)

    patch.setattr(battle_log, "_append_whole", appending)
    run(order)
    return len(own)


@pytest.mark.slow
def test_a_slow_log_keeps_no_step_waiting_and_lacks_none(
    order: Order, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not appends_in_the_training_thread(order, steps, monkeypatch)
    data = (Path(order.battle_folder) / STEPS_FILE).read_bytes()
    numbers = [StepRecord.unpack(data[at : at + StepRecord.SIZE]).step for at in range(0, len(data), StepRecord.SIZE)]
    assert numbers == list(range(1, 18))
    assert [event.seq for event in events_of(order)] == list(range(1, len(events_of(order)) + 1))


@pytest.mark.slow
def test_twin_written_where_it_is_told_the_step_waits(
    order: Order, steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LogWriter, "append", lambda self, file, data: self._append(file, data))
    assert appends_in_the_training_thread(order, steps, monkeypatch)


# ----------------------------------------------------------------------------------------------------------------------
# The writer of the log alone.


class Disk:
    """What reaches it, in order; it takes nothing while it is shut."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.open = threading.Event()
        self.asked = threading.Event()

    def append(self, file: Any, data: bytes) -> None:
        self.asked.set()
        self.open.wait()
        self.pieces.append(data)


@pytest.fixture
def disk() -> Iterator[Disk]:
    made = Disk()
    yield made
    made.open.set()


ROWS, STEPS = object(), object()


def writer(disk: Disk) -> LogWriter:
    return LogWriter(disk.append, order=(ROWS, STEPS), name="battle")  # type: ignore[arg-type]


def test_what_waits_goes_out_in_one_piece_a_file_rows_first(disk: Disk) -> None:
    one = writer(disk)
    one.append(STEPS, b"a")  # type: ignore[arg-type]
    disk.asked.wait()
    for name in (b"1", b"2"):
        one.append(STEPS, b"s" + name)  # type: ignore[arg-type]
        one.append(ROWS, b"r" + name)  # type: ignore[arg-type]
    disk.open.set()
    one.do(lambda: disk.pieces.append(b"event"), must=True)
    one.append(STEPS, b"z")  # type: ignore[arg-type]
    one.close()
    assert disk.pieces == [b"a", b"r1r2", b"s1s2", b"event", b"z"]


def test_a_quick_folder_has_it_when_told_and_a_slow_one_is_not_waited_for(
    disk: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = writer(disk)
    one.do(lambda: disk.pieces.append(b"quick"))
    assert disk.pieces == [b"quick"]
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    one.append(STEPS, b"held")  # type: ignore[arg-type]
    one.do(lambda: disk.pieces.append(b"slow"))
    assert disk.pieces == [b"quick"]
    disk.open.set()
    one.flush()
    assert disk.pieces == [b"quick", b"held", b"slow"]
    one.close()


def test_what_failed_is_raised_by_the_next_call_and_nothing_is_written_behind_it(disk: Disk) -> None:
    one = writer(disk)
    disk.open.set()

    def fails() -> None:
        raise OSError(5, "Input/output error")

    with pytest.raises(OSError, match="Input/output"):
        one.do(fails)
    with pytest.raises(OSError, match="Input/output"):
        one.append(STEPS, b"behind")  # type: ignore[arg-type]
    with pytest.raises(OSError, match="Input/output"):
        one.flush()
    one.close()
    assert not disk.pieces


@pytest.mark.parametrize(
    ("seconds", "exhausted"), [((2.5,), True), ((2.5, 1.0), True), ((2.5, 0.1), False), ((1.0,), False)]
)
def test_patience_ends_with_a_slow_write_and_comes_back_with_a_quick_one(
    seconds: tuple[float, ...], exhausted: bool
) -> None:
    one = patience.Patience()
    for each in seconds:
        one.took(each)
    assert one.exhausted is exhausted
    assert bool(one.seconds) is not exhausted


def test_an_event_that_ends_a_battle_is_on_the_disk_when_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "PATIENCE_SECONDS", 0.0)
    order = tiny_hero.make_order(tmp_path, rows=8)
    told: list[Event] = []
    run(order, on_event=told.append)
    assert events_of(order)[-1].is_ending
    assert len(told) == len(events_of(order))
