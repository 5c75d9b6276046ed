"""What the guardian did, as others read it."""

from __future__ import annotations

import time

import pytest

from realm.disk import durable
from realm.world import World
from sentinels.guardian import events
from sentinels.guardian.events import EventFile


def test_what_was_added_is_read_in_its_order_and_once(world: World) -> None:
    file = EventFile(world)
    first = file.add("stuck", "arena", "it is silent")
    file.add("gave_up", "oracle", "five deaths", ("Traceback", "x" * 9999))
    file.flush()
    assert [event.kind for event in events.read(world, 0)] == ["stuck", "gave_up"]
    (second,) = events.read(world, first.seq)
    assert second.service == "oracle"
    assert second.lines == ("Traceback", "x" * events.LONGEST_LINE)


def test_numbers_rise_across_a_deleted_file_and_a_clock_that_was_set_back(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = EventFile(world)
    first = file.add("mended", "", "all")
    (world.status / events.EVENTS_FILE).unlink(missing_ok=True)
    second = EventFile(world).add("mended", "", "all")
    monkeypatch.setattr(time, "time", lambda: 5.0)
    assert second.seq >= first.seq
    assert file.add("mended", "", "all").seq == first.seq + 1


def test_the_file_stays_small_and_keeps_the_newest(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "MOST_EVENTS", 3)
    file = EventFile(world)
    for number in range(20):
        file.add("restarted", "arena", str(number))
        file.flush()
    assert [event.message for event in events.read(world)][-3:] == ["17", "18", "19"]
    assert len(events.read(world)) <= 6


def test_a_disk_in_trouble_loses_no_event(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError("no room")

    file = EventFile(world)
    file.add("stuck", "arena", "first")
    with monkeypatch.context() as patched:
        patched.setattr(durable, "append_line", full)
        with pytest.raises(OSError, match="no room"):
            file.flush()
    file.add("restarted", "arena", "second")
    file.flush()
    assert [event.message for event in events.read(world)] == ["first", "second"]


def test_a_line_cut_off_spoils_itself_alone(world: World) -> None:
    (world.status / events.EVENTS_FILE).write_bytes(b'{"seq": 1, "kind": "stu')
    file = EventFile(world)
    file.add("stuck", "arena", "whole")
    file.flush()
    assert [event.message for event in events.read(world)] == ["whole"]


def test_twin_without_the_newline_the_next_event_is_lost(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EventFile, "_end_last_line", lambda self: None)
    (world.status / events.EVENTS_FILE).write_bytes(b'{"seq": 1, "kind": "stu')
    file = EventFile(world)
    file.add("stuck", "arena", "whole")
    file.flush()
    assert events.read(world) == []
