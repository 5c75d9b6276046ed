"""A day of samples in a file that never grows: restarts, torn records, clocks that jump, GPUs that change."""

from __future__ import annotations

from pathlib import Path

import pytest

from realm.machine.machine import Gpu, Machine
from realm.world import World
from watchtower.machines import day, ring
from watchtower.machines.day import DAY_SECONDS, HERE
from watchtower.machines.ring import EVERY_SECONDS, SLOTS, Ring

NOW = 1_800_000_000.0
FIELDS = ("cpu",)


def values(of: Ring, since: float = 1.0, until: float = NOW * 2) -> list[float]:
    return of.read(since, until)["cpu"].tolist()


def test_it_holds_a_day_and_never_grows(tmp_path: Path) -> None:
    samples = Ring(tmp_path / "r", FIELDS)
    for at in range(0, SLOTS + 50, 10):
        samples.write(NOW + at * EVERY_SECONDS, {"cpu": float(at)})
    assert (tmp_path / "r").stat().st_size <= SLOTS * 16
    kept = values(samples)
    assert kept[-1] == SLOTS + 40
    assert kept[0] == 50, "the oldest made room, one by one"
    assert values(samples, since=NOW + (SLOTS + 30) * EVERY_SECONDS) == [SLOTS + 30, SLOTS + 40]


def test_another_process_goes_on_where_it_was(tmp_path: Path) -> None:
    Ring(tmp_path / "r", FIELDS).write(NOW, {"cpu": 1.0})
    Ring(tmp_path / "r", FIELDS).write(NOW + 10, {"cpu": None})
    first, second = values(Ring(tmp_path / "r", FIELDS))
    assert first == 1.0
    assert second != second, "unknown, not 0"


def torn(path: Path) -> Ring:
    """Its second record is half the one of the day before."""
    samples = Ring(path, FIELDS)
    for at in range(3):
        samples.write(NOW + 10 * at, {"cpu": float(at)})
    slot = int((NOW + 10) // EVERY_SECONDS) % SLOTS
    with path.open("r+b") as file:
        file.seek(slot * 16 + 9)
        file.write(b"\xff\xff")
    return samples


def test_a_torn_record_is_left_out(tmp_path: Path) -> None:
    assert values(torn(tmp_path / "r")) == [0.0, 2.0]


def test_twin_without_a_checksum_a_torn_record_is_believed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ring, "_checksum", lambda record: int.from_bytes(record[-4:], "little"))
    assert len(values(torn(tmp_path / "r"))) == 3


def test_a_clock_that_was_set_back_leaves_no_future(world: World) -> None:
    day.write(world, HERE, Machine(time=NOW + 7200, cpu_percent=90.0))
    day.write(world, HERE, Machine(time=NOW, cpu_percent=10.0))
    past = day.read(world, HERE, hours=24, now=NOW + 5)
    assert [value for value in past.series["cpu_percent"] if value is not None] == [10.0]


def test_a_file_of_anything_is_an_empty_past(world: World) -> None:
    day.write(world, HERE, Machine(time=NOW, cpu_percent=10.0))
    (world.status / day.FOLDER / HERE / "machine.ring").write_bytes(b"\x7f" * 5001)
    past = day.read(world, HERE, now=NOW)
    assert set(past.series["cpu_percent"]) == {None}
    assert set(day.read(world, "nobody", now=NOW).series["cpu_percent"]) == {None}


def test_gpus_are_known_by_what_they_are_not_by_their_place(world: World) -> None:
    old, new = Gpu(index=0, name="old", uuid="GPU-1", use_percent=50.0), Gpu(index=0, name="new", uuid="GPU-2")
    day.write(world, HERE, Machine(time=NOW - 20, gpus=(old,)))
    day.write(world, HERE, Machine(time=NOW - 10, gpus=(new, Gpu(index=1, name="old", uuid="GPU-1", use_percent=70.0))))
    first, second = day.read(world, HERE, hours=1, now=NOW).gpus
    assert (first.name, first.index, second.name, second.index) == ("new", 0, "old", 1)
    assert [use for use in second.series["use_percent"] if use is not None] == [50.0, 70.0]
    assert set(first.series["use_percent"]) == {None}
    day.write(world, HERE, Machine(time=NOW + DAY_SECONDS, gpus=(new,)))
    assert [gpu.name for gpu in day.read(world, HERE, now=NOW + DAY_SECONDS).gpus] == ["new"]
    assert len(list((world.status / day.FOLDER / HERE).glob("gpu-*.ring"))) == 1, "what is gone for a day is forgotten"


@pytest.mark.parametrize(("hours", "points"), [(24, 720), (1, 720), (0.5, 7), (0, 10), (999, 1)])
def test_it_is_thinned_to_equal_stretches(world: World, hours: float, points: int) -> None:
    for at in range(6):
        day.write(world, HERE, Machine(time=NOW - 10 * at, cpu_percent=float(at)))
    past = day.read(world, HERE, hours=hours, points=points, now=NOW)
    assert 1 <= len(past.times) <= points + 1
    assert len(past.series["cpu_percent"]) == len(past.times)
    assert past.times[-1] <= NOW < past.times[-1] + past.seconds
    assert {later - earlier for earlier, later in zip(past.times, past.times[1:], strict=False)} <= {past.seconds}
