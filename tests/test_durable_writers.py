"""EIO at each fsync of each durable writer: what was declared failed is shown by no reader, and nothing half stays."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Callable
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from arena import orders
from arena.orders import Wish
from arena.queue import files, lane_order
from guild.tasks import run_requests, state
from guild.tasks.state import TaskState
from realm import config_edit
from realm.checkpoints import branches, sidecar
from realm.checkpoints.names import checkpoint_folders
from realm.disk import durable
from realm.web import tokens
from realm.world import World
from sentinels.guardian import events
from sentinels.guardian.events import EventFile
from sentinels.notices import addresses, outbox
from sentinels.notices.outbox import Cursor, Outbox
from tests.support.checkpoints import make_checkpoint
from vault import chronicle
from vault.archivist import database, snapshots
from vault.errors import VaultError
from vault.treasury import marks

pytestmark = [pytest.mark.django_db, pytest.mark.sqlite]

MOST_SYNCS = 60
STEP = 100


@dataclass(frozen=True)
class Writer:
    write: Callable[[World], object]
    shown: Callable[[World], Any]


def hero(world: World) -> Path:
    return world.heroes / "DIO"


def checkpoint(world: World) -> Path:
    return next(path for path in checkpoint_folders(hero(world)) if path.name.startswith(f"checkpoint-{STEP}-"))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.endswith(".lock"))


def add_event(world: World) -> None:
    file = EventFile(world)
    file.add("stuck", "arena", "it hangs")
    file.flush()


def change_setting(world: World) -> None:
    config_edit.change(world, {("autoplay",): True}, check=lambda settings: None)


def rewrite_sidecar(world: World) -> None:
    folder = checkpoint(world)
    sidecar.rewrite(folder, replace(sidecar.read(folder), val_loss=0.25))


def add_quest(world: World) -> None:
    files.add_file(world, world.home / "quest.jsonl", priority="normal", recipe=b"epochs: 1\n")


WRITERS = {
    "checkpoint": Writer(
        lambda world: make_checkpoint(world.heroes, 101), lambda world: [*map(str, checkpoint_folders(hero(world)))]
    ),
    "sidecar": Writer(rewrite_sidecar, lambda world: sidecar.read(checkpoint(world)).val_loss),
    "branches": Writer(
        lambda world: branches.go_on_from(hero(world), None, moment=datetime(2026, 1, 2, tzinfo=UTC)),
        lambda world: branches.read(hero(world)).active,
    ),
    "marks": Writer(
        lambda world: marks.protect(world, "DIO", checkpoint(world).name, by="page"),
        lambda world: marks.read(hero(world)),
    ),
    "quest into a lane": Writer(add_quest, lambda world: names(world.lane("normal"))),
    "quest's move": Writer(
        lambda world: durable.move(world.lane("low") / "moved.jsonl", world.processing / "moved.jsonl"),
        lambda world: (names(world.lane("low")), names(world.processing)),
    ),
    "order.json": Writer(lambda world: lane_order.write_lane(world, "high", ["a.jsonl"]), lane_order.read),
    "settings": Writer(change_setting, lambda world: (world.home / "config.yaml").read_text()),
    "tokens": Writer(
        lambda world: tokens.of_world(world).issue(tokens.READ), lambda world: tokens.of_world(world).list()
    ),
    "addresses of notices": Writer(
        lambda world: addresses.keep(world, "phone", "json://example.org/x", own_ports=()), addresses.read
    ),
    "notices' outbox": Writer(lambda world: outbox.write(world, Outbox(cursor=Cursor(time=5.0))), outbox.look),
    "guardian's events": Writer(add_event, lambda world: [event.message for event in events.read(world)]),
    "command": Writer(
        lambda world: orders.send(world, wish=Wish.PAUSE, by="page"), lambda world: names(world.control)
    ),
    "wish of a task": Writer(lambda world: run_requests.send(world, "patrol", by="page"), run_requests.waiting),
    "state of a task": Writer(
        lambda world: state.update(world, "patrol", lambda before: TaskState(runs=7)), state.read
    ),
    "vault's chronicle": Writer(
        lambda world: chronicle.append(world, "verify", by="page"),
        lambda world: [line.action for line in chronicle.read(world)],
    ),
    "snapshot": Writer(
        lambda world: snapshots.take(world, reason="manual", by="page", database_alone=True),
        lambda world: [snapshot.name[-6:] for snapshot in snapshots.list_snapshots(world)],
    ),
}  # fmt: skip


@pytest.fixture
def filled(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    make_checkpoint(world.heroes, STEP)
    (world.home / "config.yaml").write_text("autoplay: false\n")
    (world.home / "quest.jsonl").write_text("{}\n")
    (world.lane("low") / "moved.jsonl").write_text("{}\n")
    monkeypatch.setattr(database, "_back_up", lambda target: target.write_bytes(b"a database"))
    return world


def check(name: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the first fsync, then the second alone, and so on, until one write meets no failure."""
    writer = WRITERS[name]
    before = writer.shown(world)
    for failing in range(1, MOST_SYNCS):
        met = next_write(writer, world, failing, monkeypatch)
        left = [str(path) for path in world.home.rglob("*") if path.name.startswith(durable.TEMP_PREFIX)]
        assert not left, f"half written at fsync {failing}"
        if not met:
            assert failing > 1, "it never calls fsync"
            assert writer.shown(world) != before, "it is written, and nobody sees it"
            return
        assert writer.shown(world) == before, f"declared failed at fsync {failing}, and shown as done"
    raise AssertionError("it never ends")


def next_write(writer: Writer, world: World, failing: int, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the write met the failure; then it must have been declared failed, in words."""
    real, calls, met = os.fsync, itertools.count(1), False

    def fsync(handle: int) -> None:
        nonlocal met
        if next(calls) == failing:
            met = True
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        real(handle)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fsync)
        try:
            writer.write(world)
        except (OSError, VaultError) as error:
            said = str(error)
        else:
            said = ""
    assert ("Input/output error" in said) is met, f"fsync {failing} failed, and nobody heard of it"
    return met


@pytest.mark.parametrize("name", WRITERS)
def test_what_is_declared_failed_is_not_shown(name: str, filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "record_done", lambda *facts, **details: None)
    if name == "snapshot":  # whose line comes after it is whole; the other test has it
        monkeypatch.setattr(chronicle, "append", lambda *facts, **details: None)
    check(name, filled, monkeypatch)


@pytest.mark.parametrize("name", ["sidecar", "marks", "quest into a lane", "quest's move", "tokens", "command"])
def test_twin_whose_name_stays_is_shown_as_done(name: str, filled: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "record_done", lambda *facts, **details: None)
    monkeypatch.setattr(durable, "_taken_back", lambda undo: nullcontext())
    with pytest.raises(AssertionError, match="shown as done"):
        check(name, filled, monkeypatch)


@pytest.mark.parametrize("name", ["checkpoint", "settings", "order.json"])
def test_twin_that_hears_no_error_is_never_declared_failed(
    name: str, filled: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync_folder = durable.sync_folder

    def unheard(folder: Path) -> None:
        with suppress(OSError):
            sync_folder(folder)

    monkeypatch.setattr(durable, "sync_folder", unheard)
    with pytest.raises(AssertionError, match="nobody heard of it"):
        check(name, filled, monkeypatch)


def test_what_is_done_stays_done_where_the_chronicle_takes_no_line(
    filled: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*facts: object, **details: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(chronicle, "append", fail)
    name = checkpoint(filled).name
    marks.protect(filled, "DIO", name, by="page")
    assert name in marks.read(hero(filled))
    assert snapshots.take(filled, reason="manual", by="page", database_alone=True).trouble == ""
    assert [line.split(":")[-1].strip() for line in caplog.messages] == 2 * ["[Errno 5] Input/output error"]
