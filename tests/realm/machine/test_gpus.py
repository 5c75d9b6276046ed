"""GPUs as the driver tells them: units, what is not told, GPUs that come and go, a driver that hangs."""

from __future__ import annotations

import time

import pynvml
import pytest

from arena.profiles import machine
from guild.tasks.load import LoadMeter
from realm.machine import gpus
from realm.machine.gpus import Gpus
from realm.machine.machine import Gpu
from tests.support.fake_nvml import FakeGpu, FakeNvml

PATIENT = 20.0


def of(library: FakeNvml, wait_seconds: float = PATIENT) -> Gpus:
    return Gpus(library=library, wait_seconds=wait_seconds)


def test_every_figure_has_its_unit() -> None:
    hot = pynvml.nvmlClocksEventReasonSwThermalSlowdown | pynvml.nvmlClocksEventReasonGpuIdle
    library = FakeNvml(FakeGpu(throttle_bits=hot), FakeGpu(uuid="GPU-2", use=0))
    first, second = of(library).read() or ()
    assert first == Gpu(
        index=0, name="NVIDIA Test 9000", uuid="GPU-1", use_percent=30.0, memory_used_bytes=2 * 10**9,
        memory_total_bytes=24 * 10**9, temperature_celsius=61.0, power_watts=250.0, power_limit_watts=350.0,
        energy_joules=5000.0, fan_percent=40.0, clock_mhz=1700.0, memory_clock_mhz=1700.0, memory_errors=0.0,
        throttled_by=("it is too hot",),
    )  # fmt: skip
    assert (second.index, second.uuid, second.use_percent, second.throttled_by) == (1, "GPU-2", 0.0, ())


@pytest.mark.parametrize(
    ("function", "field"),
    [
        ("nvmlDeviceGetUtilizationRates", "use_percent"),
        ("nvmlDeviceGetPowerUsage", "power_watts"),
        ("nvmlDeviceGetTotalEnergyConsumption", "energy_joules"),
        ("nvmlDeviceGetMemoryInfo", "memory_used_bytes"),
        ("nvmlDeviceGetCurrentClocksEventReasons", "throttled_by"),
    ],
)
def test_what_a_gpu_does_not_tell_is_unknown_and_never_zero(function: str, field: str) -> None:
    (gpu,) = of(FakeNvml(FakeGpu(silent={function}))).read() or ()
    assert getattr(gpu, field) is None
    assert gpu.temperature_celsius == 61.0


def test_without_a_driver_there_is_none_and_it_is_not_looked_for_each_time() -> None:
    library = FakeNvml(has_driver=False)
    asked = of(library)
    assert asked.read() == ()
    library.has_driver, library.gpus = True, [FakeGpu()]
    assert asked.read() == ()
    asked._absent_since -= gpus.AGAIN_SECONDS
    assert [gpu.uuid for gpu in asked.read() or ()] == ["GPU-1"]


def test_one_that_fell_off_the_bus_keeps_its_place() -> None:
    library = FakeNvml(FakeGpu(lost=True), FakeGpu(uuid="GPU-2"))
    assert [(gpu.index, gpu.uuid) for gpu in of(library).read() or ()] == [(0, None), (1, "GPU-2")]


def a_hanging_driver(monkeypatch: pytest.MonkeyPatch) -> tuple[FakeNvml, Gpus]:
    """It has answered once, and its answer is old."""
    library = FakeNvml(FakeGpu())
    asked = of(library)
    assert asked.read()
    monkeypatch.setattr("realm.machine.in_time.KEPT_SECONDS", -1.0)
    asked._asked._seconds = 0.01
    library.hangs = True
    return library, asked


def test_a_driver_that_hangs_holds_nobody_up_and_its_gpus_become_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    library, asked = a_hanging_driver(monkeypatch)
    calls = library.calls
    began = time.monotonic()
    try:
        for _ in range(20):
            told = asked.read()
        assert told == (
            Gpu(index=0, name="NVIDIA Test 9000", uuid="GPU-1", memory_total_bytes=24 * 10**9, power_limit_watts=350.0),
        )
        assert asked.percents() == (None,)
        assert library.calls == calls + 1, "one thread waits in the driver, however often it is asked"
        assert time.monotonic() - began < 30, "the driver answers nothing for a minute"
    finally:
        library.freed.set()


def test_twin_asked_directly_the_same_driver_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    library, asked = a_hanging_driver(monkeypatch)
    monkeypatch.setattr(asked._asked, "get", asked._look)
    monkeypatch.setattr(library.freed, "wait", lambda seconds: (_ for _ in ()).throw(TimeoutError("it waits")))
    with pytest.raises(TimeoutError, match="it waits"):
        asked.read()


def test_a_driver_that_never_answered_stands_for_one_gpu_that_tells_nothing() -> None:
    library = FakeNvml(FakeGpu())
    library.hangs = True
    asked = of(library, wait_seconds=0.01)
    try:
        assert asked.read() is None
        assert asked.percents() == (None,)
    finally:
        library.freed.set()


def test_what_trains_here_is_the_first_gpu_or_the_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    for library, device, cuda in ((FakeNvml(FakeGpu()), "NVIDIA Test 9000", True), (FakeNvml(), "cpu", False)):
        reader = of(library)
        monkeypatch.setattr(machine, "of_this_machine", lambda reader=reader: reader)
        here = machine.machine()
        assert (here.device, here.cuda) == (device, cuda)
        assert not cuda or here.memory_bytes == 24 * 10**9


def test_the_task_master_measures_by_the_same_reader() -> None:
    library = FakeNvml(FakeGpu(use=20), FakeGpu(uuid="GPU-2", silent={"nvmlDeviceGetUtilizationRates"}))
    meter = LoadMeter(cpu=lambda: (1.0, 2.0), gpus=of(library).percents)
    meter.look(0.0, [])
    library.gpus[0].use = 40
    assert meter.look(4.0, []).gpu_percents == (30.0, None)
    library.gpus.append(FakeGpu(uuid="GPU-3", use=90))
    assert meter.look(8.0, []).gpu_percents == (40.0, None, 90.0), "the readings before knew of two"
