"""This machine's figures: rates between two readings, what is unknown, and what another host may say of itself."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from realm.machine import readings, sensors, wire
from realm.machine.gpus import Gpus
from realm.machine.machine import Gpu, Machine, Sensor
from realm.machine.readings import Reader
from tests.support.fake_nvml import FakeGpu, FakeNvml


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def a_reader(home: Path, clock: Clock) -> Reader:
    return Reader(home, of_gpus=Gpus(library=FakeNvml(FakeGpu()), wait_seconds=20.0), clock=clock)


def counting(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The system's counters, at a test's will."""
    told = {"busy": 100.0, "all": 200.0, "bytes": 1000.0}
    monkeypatch.setattr(readings, "_busy", lambda times: (told["busy"], told["all"]))
    monkeypatch.setattr(readings, "_network_bytes", lambda: (int(told["bytes"]), int(told["bytes"]) * 2))
    monkeypatch.setattr(Reader, "_disk_bytes", lambda self: (int(told["bytes"]), 0))
    return told


def test_rates_are_means_since_the_reading_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told, clock = counting(monkeypatch), Clock()
    reader = a_reader(tmp_path, clock)
    first = reader.read()
    assert first.cpu_percent is None
    assert first.network_sent_bytes_per_second is None
    clock.now += 10
    told.update(busy=105.0, all=220.0, bytes=6000.0)
    second = reader.read()
    assert second.cpu_percent == 25.0
    assert second.core_percents is not None
    assert set(second.core_percents) == {25.0}
    assert (second.network_received_bytes_per_second, second.network_sent_bytes_per_second) == (500.0, 1000.0)
    assert second.disk_read_bytes_per_second == 500.0
    assert second.gpus is not None
    assert second.gpus[0].uuid == "GPU-1"


def test_a_long_silence_is_no_mean_and_a_counter_that_went_back_no_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told, clock = counting(monkeypatch), Clock()
    reader = a_reader(tmp_path, clock)
    reader.read()
    clock.now += 10
    told.update(busy=110.0, all=220.0, bytes=10.0)
    after = reader.read()
    assert after.cpu_percent == 50.0
    assert after.network_sent_bytes_per_second is None
    clock.now += readings.LONGEST_SECONDS + 1
    told.update(busy=111.0, all=300.0)
    assert reader.read().cpu_percent is None


def test_what_the_system_does_not_tell_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **options: Any) -> None:
        raise PermissionError

    for name in ("virtual_memory", "swap_memory", "disk_usage", "getloadavg", "net_io_counters", "cpu_times"):
        monkeypatch.setattr(psutil, name, refuse)
    told = a_reader(tmp_path, Clock()).read()
    assert told.memory_total_bytes is told.swap_used_bytes is told.disk_free_bytes is told.load_average is None


def test_the_hottest_sensor_is_one_of_the_processors() -> None:
    def at(*values: float) -> list[Any]:
        return [SimpleNamespace(label="", current=value) for value in values]

    assert sensors.hottest({"nvme": at(70), "coretemp": at(50, 55)}) == 55
    assert sensors.hottest({"nvme": at(70), "odd": at(20)}) == 70
    assert sensors.hottest({"coretemp": at(-273.1)}) is None
    assert sensors.hottest(None) is None


def test_the_energy_of_the_processors_is_that_of_all_packages_or_unknown(tmp_path: Path) -> None:
    assert sensors.cpu_energy(tmp_path) is None
    for name, value in (("intel-rapl:0", 5_000_000), ("intel-rapl:1", 1_000_000), ("intel-rapl:0:0", 9_000_000)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "energy_uj").write_text(f"{value}\n")
    assert sensors.cpu_energy(tmp_path) == 6.0
    (tmp_path / "intel-rapl:1" / "energy_uj").write_text("")
    assert sensors.cpu_energy(tmp_path) is None


def test_another_host_s_figures_come_over_whole() -> None:
    gpu = Gpu(index=1, name="NVIDIA Test", uuid="GPU-7", use_percent=3.5, memory_total_bytes=5, throttled_by=("hot",))
    sent = Machine(
        time=5.0, name="far", cpu_percent=12.0, core_percents=(10.0, None), cores=2, load_average=(1.0, 2.0, 3.0),
        memory_total_bytes=7, temperatures_celsius=(Sensor(name="coretemp", value=50.0),), gpus=(gpu,),
    )  # fmt: skip
    came = wire.parse(json.loads(json.dumps(wire.told(sent))), now=9.0)
    assert came is not None
    assert came.time == 9.0, "its clock is not ours"
    assert wire.told(came) | {"time": 5.0} == wire.told(sent)


RUBBISH: list[Any] = [
    {"cpu_percent": "all", "gpus": {"0": 1}}, {"cpu_percent": True, "gpus": [3, None]}, {"memory_total_bytes": 1e300},
    {"core_percents": [[1]], "load_average": [1, 2]}, {"name": "\x1b[31m" * 9, "fans_rpm": [{"name": 4}]},
    {"memory_total_bytes": 10**400, "core_percents": [-(10**400)]},
    {"gpus": [{"index": "x", "use_percent": float("nan"), "throttled_by": "hot"}]},
]  # fmt: skip


@pytest.mark.parametrize("said", RUBBISH)
def test_rubbish_is_unknown(said: Any) -> None:
    came = wire.parse(said, now=1.0)
    assert came is not None
    assert came.cpu_percent is came.memory_total_bytes is None
    assert came.name == ""
    json.dumps(wire.told(came), allow_nan=False)


@pytest.mark.parametrize("said", [None, [], 3, "machine"])
def test_no_mapping_is_no_machine(said: Any) -> None:
    assert wire.parse(said, now=1.0) is None
