"""Checkpoints written beside the training: exact, one at a time, tried twice, and patient with a full disk."""

import errno
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open

from arena.hero import model as heroes
from arena.protocol import Event, EventKind, Order
from arena.training import optimizer
from arena.training.control import Control, Request
from arena.training.saving import checkpoint, full_disk, saver
from arena.training.saving.full_disk import Left
from arena.training.saving.saver import SaveFailed
from realm.checkpoints import sidecar
from realm.checkpoints.names import checkpoint_folders
from tests.support import tiny_hero
from tests.support.runs import digests, newest, run

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(saver, "RETRY_SECONDS", 0.05)
    monkeypatch.setattr(full_disk, "LOOK_SECONDS", 0.05)


@pytest.fixture
def order(tmp_path: Path) -> Order:
    (tmp_path / "mine").mkdir()
    return tiny_hero.make_order(tmp_path / "mine", rows=160)


@pytest.fixture
def undisturbed(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "undisturbed").mkdir()
    twin = tiny_hero.make_order(tmp_path / "undisturbed", rows=160)
    run(twin)
    return digests(twin)


def slow_write(patch: pytest.MonkeyPatch, seconds: float) -> None:
    """Writing takes many steps' time."""
    original = checkpoint.write

    def write(*args: object, **named: object) -> sidecar.Sidecar:
        time.sleep(seconds)
        return original(*args, **named)  # type: ignore[arg-type]

    patch.setattr(checkpoint, "write", write)


def every_checkpoint(order: Order) -> dict[int, dict[str, str]]:
    folders = checkpoint_folders(Path(order.hero_folder))
    entries = [sidecar.verify(folder) for folder in folders]
    return {
        entry.step: {name: proof.sha256 for name, proof in entry.files.items() if name.endswith(".safetensors")}
        for entry in entries
    }


def test_what_is_written_late_is_the_state_of_its_own_step(
    order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quick").mkdir()
    quick = tiny_hero.make_order(tmp_path / "quick", rows=160)
    run(quick)
    slow_write(monkeypatch, 0.2)
    run(order)
    assert len(every_checkpoint(order)) >= 3
    assert every_checkpoint(order) == every_checkpoint(quick)


def test_without_a_copy_the_next_steps_change_it(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: the live tensors themselves are handed to the writer."""
    (tmp_path / "quick").mkdir()
    quick = tiny_hero.make_order(tmp_path / "quick", rows=160)
    run(quick)
    monkeypatch.setattr(checkpoint.Copies, "_copied", lambda self, name, source: source)
    slow_write(monkeypatch, 0.2)
    run(order)
    assert every_checkpoint(order) != every_checkpoint(quick)


def test_training_goes_on_while_a_checkpoint_is_written(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    steps_during_write: list[int] = []
    original = checkpoint.write

    def write(*args: object, **named: object) -> sidecar.Sidecar:
        file = Path(order.battle_folder) / "steps.bin"
        before = file.stat().st_size
        if named["step"] == 5:  # until the trainer has gone on, however slow it is
            while file.stat().st_size == before:
                time.sleep(0.01)
        steps_during_write.append((file.stat().st_size - before) // 56)
        return original(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "write", write)
    run(order)
    assert steps_during_write[0] >= 1


def test_a_checkpoint_is_told_only_when_it_is_there(order: Order) -> None:
    missing: list[str] = []

    def look(event: Event) -> None:
        if event.kind == EventKind.CHECKPOINT_SAVED and not (Path(order.hero_folder) / event.data["name"]).is_dir():
            missing.append(event.data["name"])

    run(order, on_event=look)
    assert not missing


def test_tied_weights_are_written_once(order: Order) -> None:
    run(order)
    with safe_open(newest(order) / "model.safetensors", framework="pt") as file:
        assert "lm_head.weight" not in set(file.keys())


def test_a_part_that_begins_where_its_whole_does_keeps_its_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = torch.arange(6.0)
    tensors = {"whole": whole, "part": whole[:2], "tied": whole}
    monkeypatch.setattr(checkpoint, "_weights", lambda _: tensors)
    monkeypatch.setattr(checkpoint, "_moments", lambda *_: {})
    captured = checkpoint.Copies(torch.device("cpu")).capture(None, None, moments_since=0)  # type: ignore[arg-type]
    assert {name: copy.tolist() for name, copy in captured.weights.items()} == {
        name: tensor.tolist() for name, tensor in tensors.items()
    }
    assert captured.weights["tied"] is captured.weights["whole"]


def failing(patch: pytest.MonkeyPatch, code: int, failures: Callable[[int], bool]) -> list[int]:
    """`checkpoint.write` fails at its n-th call where `failures(n)`; returns the steps it was called for."""
    called: list[int] = []
    original = checkpoint.write

    def write(*args: object, **named: object) -> sidecar.Sidecar:
        called.append(int(str(named["step"])))
        if failures(len(called)):
            raise OSError(code, os.strerror(code))
        return original(*args, **named)  # type: ignore[arg-type]

    patch.setattr(checkpoint, "write", write)
    return called


def test_a_save_that_failed_once_is_tried_again(
    order: Order, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    called = failing(monkeypatch, errno.EIO, lambda call: call == 1)
    events = run(order)
    assert called[:2] == [5, 5]
    assert not [event for event in events if event.kind == EventKind.CHECKPOINT_FAILED]
    assert digests(order) == undisturbed


def test_a_save_that_failed_twice_is_warned_about_and_training_goes_on(
    order: Order, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, errno.EIO, lambda call: call <= 2)
    events = run(order)
    (warning,) = [event for event in events if event.kind == EventKind.CHECKPOINT_FAILED]
    assert "step 5 could not be saved" in warning.message
    assert 5 not in every_checkpoint(order)
    assert 10 in every_checkpoint(order)
    assert digests(order) == undisturbed


def test_the_last_save_of_a_quest_must_not_fail(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, errno.EIO, lambda call: True)
    with pytest.raises(SaveFailed):
        run(order)


@pytest.mark.parametrize("at", range(1, 9))
def test_an_fsync_that_fails_makes_no_checkpoint(order: Order, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Each fsync of one save in turn; what was declared failed is never shown as saved."""
    real, calls, broken = os.fsync, [0], threading.Event()

    def fsync(handle: int) -> None:
        if threading.current_thread().name == "saver":
            calls[0] += 1
            if calls[0] in (at, at + 1) or broken.is_set():
                broken.set()
                raise OSError(errno.EIO, "Input/output error")
        real(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    said: list[Event] = []
    with pytest.raises(SaveFailed):
        run(order, on_event=said.append)
    assert not [event for event in said if event.kind == EventKind.CHECKPOINT_SAVED]
    for folder in checkpoint_folders(Path(order.hero_folder)):
        sidecar.verify(folder)  # renamed before the folder's own fsync failed: whole, if it is there at all


def test_a_full_disk_is_waited_for_and_the_end_is_the_same(
    order: Order, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full = threading.Event()
    full.set()
    original = checkpoint.write

    def write(*args: object, **named: object) -> sidecar.Sidecar:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(*args, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "write", write)
    troubles: list[str] = []

    def on_trouble(text: str) -> None:
        troubles.append(text)
        if text:
            threading.Timer(0.2, full.clear).start()

    events = run(order, on_trouble=on_trouble)
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == undisturbed
    assert " is full: " in troubles[0]
    assert " MB are needed" in troubles[0]
    assert troubles[-1] == ""
    assert not [event for event in events if event.kind == EventKind.CHECKPOINT_FAILED]


def test_a_full_disk_that_safetensors_meets_is_waited_for_too(
    order: Order, undisturbed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    full, original, troubles = [True], checkpoint.save_file, list[str]()

    def save_file(*args: object) -> None:
        if full.pop():
            full.append(False)
            raise SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)")
        full.append(False)
        original(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(checkpoint, "save_file", save_file)
    events = run(order, on_trouble=troubles.append)
    assert " is full: " in troubles[0]
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == undisturbed


def test_a_small_write_that_fits_does_not_end_the_waiting_of_another(tmp_path: Path) -> None:
    full, told = threading.Event(), list[str]()
    full.set()
    here = full_disk.Room(told.append, lambda: False)

    def checkpoint_sized() -> None:
        if full.is_set():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    waiter = threading.Thread(target=here.write, args=(checkpoint_sized,), kwargs={"where": tmp_path})
    waiter.start()
    try:
        while not told:
            time.sleep(0.01)
        here.write(lambda: None, where=tmp_path)
        assert here.waiting
        assert "" not in told
    finally:
        full.clear()
        waiter.join()
    assert not here.waiting
    assert told[-1] == ""


def test_asked_to_leave_while_the_disk_is_full_it_leaves(order: Order, monkeypatch: pytest.MonkeyPatch) -> None:
    failing(monkeypatch, errno.ENOSPC, lambda call: True)
    control = Control()
    with pytest.raises(Left):
        run(order, control, on_trouble=lambda text: control.request(Request.SHUTDOWN))
    assert not checkpoint_folders(Path(order.hero_folder))


@pytest.fixture
def small_volume(tmp_path: Path) -> Iterator[Path]:
    volume = tmp_path / "volume"
    volume.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=16m", "tmpfs", str(volume)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small volume here")
    yield volume
    subprocess.run(["umount", str(volume)], check=True)


def test_on_a_volume_that_is_really_full_it_goes_on_when_there_is_room(
    small_volume: Path, undisturbed: dict[str, str]
) -> None:
    """What fills the volume goes away once the run has said that it waits."""
    order = tiny_hero.make_order(small_volume, rows=160)
    filler = small_volume / "filler"
    troubles: list[str] = []

    def fill(event: Event) -> None:
        if event.kind == EventKind.BATTLE_STARTED:
            with open(filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, full_disk.free_bytes(small_volume) - 8192))

    def on_trouble(text: str) -> None:
        troubles.append(text)
        filler.unlink(missing_ok=True)

    events = run(order, on_event=fill, on_trouble=on_trouble)
    assert str(small_volume) in troubles[0]
    assert events[-1].kind == EventKind.BATTLE_COMPLETED
    assert digests(order) == undisturbed
    for folder in checkpoint_folders(Path(order.hero_folder)):
        sidecar.verify(folder)


def test_a_step_record_that_did_not_fit_is_cut_off_and_written_again(
    small_volume: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = tiny_hero.make_order(small_volume, rows=160)
    filler = small_volume / "filler"
    troubles: list[str] = []

    def fill(event: Event) -> None:
        if event.kind == EventKind.BATTLE_STARTED:
            with open(filler, "wb") as file:
                os.posix_fallocate(file.fileno(), 0, full_disk.free_bytes(small_volume))

    def on_trouble(text: str) -> None:
        troubles.append(text)
        filler.unlink(missing_ok=True)

    assert run(order, on_event=fill, on_trouble=on_trouble)[-1].kind == EventKind.BATTLE_COMPLETED
    data = (Path(order.battle_folder) / "steps.bin").read_bytes()
    assert troubles
    assert len(data) % 56 == 0


def test_the_copies_memory_is_used_again(order: Order) -> None:
    hero = tiny_hero_of(order)
    adamw = train_one(order, hero)
    copies = checkpoint.Copies(torch.device("cpu"))
    first = copies.capture(hero, adamw, moments_since=0)
    second = copies.capture(hero, adamw, moments_since=0)
    assert all(first.weights[name].data_ptr() == second.weights[name].data_ptr() for name in first.weights)
    parameters = dict(hero.model.named_parameters())
    assert all(first.weights[name].data_ptr() != parameters[name].data_ptr() for name in parameters)


def tiny_hero_of(order: Order) -> checkpoint.Hero:
    return heroes.load(order.base_model, order.recipe, checkpoint=None, device=torch.device("cpu"))


def train_one(order: Order, hero: checkpoint.Hero) -> torch.optim.AdamW:
    adamw = optimizer.build(hero, order.recipe)
    sum(parameter.sum() for parameter in hero.trainable.values()).backward()  # type: ignore[union-attr]
    adamw.step()
    return adamw


def test_a_volume_is_named_by_its_mount_point(tmp_path: Path) -> None:
    assert os.path.ismount(full_disk.volume_of(tmp_path / "not" / "there"))
