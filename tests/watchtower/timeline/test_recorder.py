"""The recorder: one span for each activity, its reason kept up to date, and why nobody recorded where nobody did."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from realm.config import RealmConfig
from realm.world import World
from watchtower.timeline import recorder as recording
from watchtower.timeline import records
from watchtower.timeline.now import Activity
from watchtower.timeline.recorder import CLOCK_SET, MACHINE_OFF, NOBODY, SLEPT, STUCK, Clocks, Recorder
from watchtower.timeline.records import FILE, read
from watchtower.timeline.spans import Kind, Span

BEGAN = 1_800_000_000.0
TRAINS = Activity(kind=Kind.TRAINING, quest="q", battle="q-1")
FULL = Activity(kind=Kind.WAITING, why="the disk is full, 1,200 MB are short")


class Machine:
    """A recorder with clocks and an activity that the test sets."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.clocks = Clocks(wall=BEGAN, awake=5_000.0, up=5_000.0)
        self.does = TRAINS
        self.start()

    def start(self) -> None:
        """As a new process."""
        self.recorder = Recorder(
            self.world, RealmConfig(), look=lambda world, config, now: self.does, clocks=lambda: self.clocks
        )

    def passes(self, seconds: float, *, wall: float = 0.0, asleep: float = 0.0) -> None:
        """`wall`: by how much the clock is set meanwhile; `asleep`: how much of it the machine slept."""
        clocks = self.clocks
        self.clocks = Clocks(
            wall=clocks.wall + seconds + wall, awake=clocks.awake + seconds - asleep, up=clocks.up + seconds
        )

    def looks(self, times: int, *, does: Activity | None = None) -> None:
        self.does = does or self.does
        for _ in range(times):
            self.passes(10.0)
            self.recorder.record()

    @property
    def spans(self) -> list[Span]:
        return read(self.world.status / FILE)

    @property
    def said(self) -> list[tuple[str, str, float]]:
        return [(span.kind, span.why, span.seconds) for span in self.spans]


@pytest.fixture
def machine(world: World) -> Machine:
    return Machine(world)


def test_an_activity_is_one_span_however_often_it_is_seen(machine: Machine) -> None:
    machine.looks(100)
    machine.looks(3, does=FULL)
    machine.looks(1, does=replace(FULL, why="the disk is full, 1,100.5 MB are short"))
    machine.looks(2, does=replace(TRAINS, battle="q-2"))
    assert [(span.kind, span.why, span.battle, span.seconds) for span in machine.spans] == [
        ("training", "", "q-1", 990.0),
        ("waiting", "the disk is full, 1,100.5 MB are short", "", 40.0),
        ("training", "", "q-2", 20.0),
    ]


def test_twin_figures_that_change_would_make_a_span_each(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "is_same", lambda span, activity: span.why == activity.why)
    machine.looks(1, does=FULL)
    machine.looks(1, does=replace(FULL, why="the disk is full, 1,100.5 MB are short"))
    assert len(machine.spans) == 2


@pytest.mark.parametrize(
    ("happens", "kind", "why"),
    [
        (lambda machine: machine.passes(3_600, asleep=3_590), Kind.ASLEEP, SLEPT),
        (lambda machine: machine.passes(10, wall=3_590), Kind.UNKNOWN, CLOCK_SET),
        (lambda machine: machine.passes(3_600), Kind.UNKNOWN, STUCK),
        (lambda machine: (machine.passes(3_600), machine.start()), Kind.UNKNOWN, NOBODY),
    ],
)
def test_a_time_without_a_look_has_its_reason(
    machine: Machine, happens: Callable[[Machine], Any], kind: Kind, why: str
) -> None:
    machine.looks(2)
    happens(machine)
    machine.recorder.record()
    machine.looks(1)
    assert machine.said == [("training", "", 10.0), (kind, why, 3_600.0), ("training", "", 10.0)]


def test_a_machine_that_was_off_is_told_from_a_service_that_was(machine: Machine) -> None:
    machine.looks(2)
    machine.clocks = Clocks(wall=machine.clocks.wall + 3_600, awake=600.0, up=600.0)
    machine.start()
    machine.recorder.record()
    assert machine.said[1:3] == [("off", MACHINE_OFF, 3_000.0), ("unknown", NOBODY, 600.0)]


def test_a_service_that_was_away_for_a_moment_leaves_no_gap(machine: Machine) -> None:
    machine.looks(2)
    machine.passes(15)
    machine.start()
    machine.recorder.record()
    assert machine.said == [("training", "", 25.0)]


def test_a_clock_that_is_set_back_begins_a_new_span(machine: Machine) -> None:
    machine.looks(10)
    machine.passes(10, wall=-3_600)
    machine.looks(2)
    first, second = machine.spans
    assert second.start < first.start
    assert (first.seconds, second.seconds) == (90.0, 10.0)


def test_a_full_disk_is_recorded_once_there_is_room(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    machine.looks(2)
    write = records.Records._write

    def full(self: records.Records, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(records.Records, "_write", full)
    machine.looks(6, does=FULL)
    machine.looks(6, does=replace(TRAINS, battle="q-2"))
    assert [span.battle for span in machine.spans] == ["q-1"]
    monkeypatch.setattr(records.Records, "_write", write)
    machine.looks(1)
    assert machine.said == [("training", "", 10.0), ("waiting", FULL.why, 60.0), ("training", "", 70.0)]


def test_the_file_stays_small_and_a_day_stays_in_it(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(400):
        machine.passes(260)
        machine.looks(1, does=replace(TRAINS, battle=f"q-{number}"))
    spans = machine.spans
    assert 25.5 * 3600 < spans[-1].end - spans[0].end < 27.5 * 3600
    assert (machine.world.status / FILE).stat().st_size < 1_000_000
    monkeypatch.setattr(records, "LARGEST_BYTES", 10_000)
    machine.passes(4_000)
    machine.looks(1)
    assert len(machine.spans) < len(spans) * 0.6, "a file that grows too large loses its older half"


@pytest.mark.parametrize(
    "rubbish",
    [b"", b"\0" * 200, b"[]", b"null", b'{"from": 1e999, "until": 0}', b'{"from": 1, "until": 2, "kind": "x"}',
     b"[" * 99_999, b'{"from": 2, "until": 1, "kind": "training"}', b'{"from": 1800000', b"\xff\xfe"],
)  # fmt: skip
def test_a_torn_or_strange_line_costs_itself_alone(machine: Machine, rubbish: bytes) -> None:
    machine.looks(3)
    path = machine.world.status / FILE
    path.write_bytes(path.read_bytes() + rubbish)
    machine.start()
    machine.looks(1)
    assert machine.said == [("training", "", 30.0)]
    assert path.read_bytes().count(b"\n") == 1
