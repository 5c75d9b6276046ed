"""The vault's chronicle: each line once, in order, whoever writes and however he ends; rows follow the file."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO

import pytest
from django.core.management import call_command
from django.db import transaction

from realm.disk import locks
from realm.world import World
from vault import chronicle
from vault.chronicle import append, history, reindex
from vault.index import scan
from vault.models import HistoryEntry

pytestmark = pytest.mark.django_db

ONE, OTHER = "checkpoint_100_DIO_20260101-1230", "checkpoint_1001_DIO_20260101-1230"


def seqs(world: World) -> list[int]:
    return [line.seq for line in chronicle.read(world)]


def rows() -> list[int]:
    return sorted(HistoryEntry.objects.values_list("seq", flat=True))


def test_the_history_of_an_asset_is_found_by_either_id(world: World) -> None:
    chronicle.record(world, "save", by="arena", asset_id=ONE, bytes=3)
    chronicle.record(world, "save", by="arena", asset_id=OTHER)
    chronicle.record(world, "protect", by="page", asset_id=ONE, note="mine")
    assert [row.action for row in history(world, ONE)] == ["protect", "save"]
    assert [row.action for row in history(world, "checkpoint_100")] == ["protect", "save"]
    assert [row.seq for row in history(world, limit=2)] == [3, 2]
    assert history(world, "checkpoint_10") == []


def test_history_is_printed_and_is_json(world: World) -> None:
    chronicle.record(world, "save", by="arena", asset_id=ONE, bytes=3)
    chronicle.record(world, "snapshot", by="taskmaster", name="x", bytes=7_977_252, left_out=[], trouble="")
    for asset in ("100", ONE, "checkpoint-100-20260101-1230"):
        out = StringIO()
        call_command("vault", "history", asset, "--json", stdout=out)
        (entry,) = json.loads(out.getvalue())
        assert (entry["action"], entry["asset_id"], entry["by"], entry["details"]) == (
            "save",
            ONE,
            "arena",
            {"bytes": 3},
        )
    out = StringIO()
    call_command("vault", "history", "--limit", "1", stdout=out)
    assert out.getvalue().rstrip().endswith("snapshot    -  by taskmaster, name x, 7.98 MB")
    out = StringIO()
    call_command("vault", "history", "999", stdout=out)
    assert out.getvalue() == "nothing is known of 999\n"


def test_once_is_once_also_after_rows_were_lost_or_rolled_back(world: World) -> None:
    for _ in range(2):
        with transaction.atomic():
            chronicle.record_once(world, "save", by="arena", asset_id=ONE, bytes=3)
            transaction.set_rollback(True)
    assert rows() == []
    chronicle.record_once(world, "save", by="arena", asset_id=ONE, bytes=3)
    HistoryEntry.objects.all().delete()
    chronicle.record_once(world, "save", by="arena", asset_id=ONE, bytes=3)
    assert seqs(world) == rows() == [1]
    chronicle.record_once(world, "save", by="arena", asset_id=OTHER, bytes=3)
    assert seqs(world) == rows() == [1, 2]


def test_twin_without_catching_up_a_save_is_told_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chronicle, "_catch_up", lambda world: None)
    for _ in range(2):
        chronicle.record_once(world, "save", by="arena", asset_id=ONE)
        HistoryEntry.objects.all().delete()
    assert seqs(world) == [1, 2]


def test_a_file_that_has_not_changed_is_not_read_again(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chronicle.record(world, "save", by="arena", asset_id=ONE)
    found = reindex(world)

    def read(path: object) -> Iterator[None]:
        raise AssertionError("it was read again")

    with monkeypatch.context() as patch:
        patch.setattr(chronicle, "_lines", read)
        assert reindex(world) == found
    append(world, "restore", by="command line")
    assert reindex(world).lines == 2


def test_rows_that_say_otherwise_are_put_right(world: World) -> None:
    chronicle.record(world, "save", by="arena", asset_id=ONE)
    chronicle.record(world, "save", by="arena", asset_id=OTHER)
    HistoryEntry.objects.filter(seq=1).update(by="nobody")
    HistoryEntry.objects.create(seq=9, time=HistoryEntry.objects.get(seq=1).time, action="save", by="nobody")
    assert reindex(world) == chronicle.Index(lines=2)
    assert rows() == [1, 2]
    assert not HistoryEntry.objects.filter(by="nobody").exists()


def write_meanwhile(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line that comes once the file has been read, and before the rows are made."""
    atomic = transaction.atomic

    def late() -> object:
        monkeypatch.setattr(transaction, "atomic", atomic)
        chronicle.record(world, "protect", by="page", asset_id=ONE)
        return atomic()

    monkeypatch.setattr(transaction, "atomic", late)


def test_a_line_that_comes_while_rows_are_made_keeps_its_row(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chronicle.record(world, "save", by="arena", asset_id=ONE)
    write_meanwhile(world, monkeypatch)
    reindex(world)
    assert rows() == seqs(world) == [1, 2]


def test_twin_without_looking_at_the_end_its_row_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    chronicle.record(world, "save", by="arena", asset_id=ONE)
    make_rows = chronicle._make_rows
    monkeypatch.setattr(chronicle, "_make_rows", lambda lines, *, come_since: make_rows(lines, come_since=(1, 0)))
    write_meanwhile(world, monkeypatch)
    reindex(world)
    assert rows() == [1]


def test_scan_tells_damaged_lines_and_gaps(world: World) -> None:
    for _ in range(4):
        append(world, "save", by="arena", asset_id=ONE)
    path = world.vault / chronicle.FILE
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + b'{"seq": 2, "time": "noon"}\n' + lines[3] + b'{"seq": 5, "ti')
    append(world, "save", by="arena", asset_id=OTHER)
    assert seqs(world) == [1, 4, 5]
    assert scan(world).chronicle == (
        "vault/chronicle.jsonl: line 2 cannot be read",
        "vault/chronicle.jsonl: line 3 is number 4, and the one before is 1",
        "vault/chronicle.jsonl: line 4 cannot be read",
    )
    out = StringIO()
    call_command("vault", "scan", stdout=out)
    assert out.getvalue().startswith("chronicle vault/chronicle.jsonl: line 2 cannot be read\n")


def write_for_ever(world: World, by: str) -> None:
    while True:
        append(world, "save", by=by, asset_id=ONE, padding="x" * 500)


def write_and_be_killed(world: World) -> None:
    fork = multiprocessing.get_context("fork")
    writers = [fork.Process(target=write_for_ever, args=(world, by)) for by in ("arena", "page")]
    for writer in writers:
        writer.start()
    path = world.vault / chronicle.FILE
    while not (
        path.exists() and {b'"arena"', b'"page"'} <= {by for by in (b'"arena"', b'"page"') if by in path.read_bytes()}
    ):
        pass
    for writer in writers:
        assert writer.pid
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
    append(world, "snapshot", by="taskmaster")


@pytest.mark.slow
def test_two_who_write_at_once_and_are_killed_leave_every_line_whole(world: World) -> None:
    write_and_be_killed(world)
    found = seqs(world)
    assert found == list(range(1, len(found) + 1))


@pytest.mark.slow
def test_twin_without_the_lock_numbers_are_given_twice(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def unheld(path: object) -> Iterator[None]:
        yield

    monkeypatch.setattr(locks, "held", unheld)
    original = chronicle._last_seq
    fork = multiprocessing.get_context("fork")
    asked = fork.Barrier(2)

    def both_have_asked(path: object) -> int:
        last = original(path)  # type: ignore[arg-type]
        asked.wait(20)
        return last

    monkeypatch.setattr(chronicle, "_last_seq", both_have_asked)
    writers = [fork.Process(target=append, args=(world, "save"), kwargs={"by": "arena"}) for _ in range(2)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert seqs(world) == [1, 1]
