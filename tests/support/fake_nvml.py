"""NVIDIA's driver as `pynvml` shows it, with GPUs that a test makes up; names and units are the library's own."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pynvml


@dataclass
class FakeGpu:
    name: str = "NVIDIA Test 9000"
    uuid: str = "GPU-1"
    use: int = 30
    used_bytes: int = 2 * 10**9
    total_bytes: int = 24 * 10**9
    celsius: int = 61
    milliwatts: int = 250_000
    millijoules: int = 5_000_000
    throttle_bits: int = 0
    memory_errors: int = 0
    silent: set[str] = field(default_factory=set)
    """Functions that this GPU does not support."""
    lost: bool = False


class FakeNvml:
    """Set `hangs` for a driver that never answers until `freed` is set."""

    def __init__(self, *gpus: FakeGpu, has_driver: bool = True) -> None:
        self.gpus, self.has_driver = list(gpus), has_driver
        self.hangs, self.freed = False, threading.Event()
        self.calls = 0

    def __getattr__(self, name: str) -> Any:
        """Errors and constants are the library's; a function that it lacks is a mistake of ours."""
        real = getattr(pynvml, name)
        return self._of_a_gpu(name) if name.startswith("nvmlDeviceGet") else real

    def nvmlInit(self) -> None:  # noqa: N802
        if not self.has_driver:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_LIBRARY_NOT_FOUND)

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802
        self.calls += 1
        if self.hangs:
            self.freed.wait(60)
        return len(self.gpus)

    def nvmlDeviceGetHandleByIndex(self, index: int) -> FakeGpu:  # noqa: N802
        if self.gpus[index].lost:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_GPU_IS_LOST)
        return self.gpus[index]

    def _of_a_gpu(self, name: str) -> Any:
        def ask(gpu: FakeGpu, *what: int) -> Any:
            if name in gpu.silent:
                raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
            return _ANSWERS[name](gpu)

        return ask


_ANSWERS: dict[str, Any] = {
    "nvmlDeviceGetName": lambda gpu: gpu.name,
    "nvmlDeviceGetUUID": lambda gpu: gpu.uuid,
    "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=gpu.used_bytes, total=gpu.total_bytes),
    "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=gpu.use, memory=1),
    "nvmlDeviceGetTemperature": lambda gpu: gpu.celsius,
    "nvmlDeviceGetPowerUsage": lambda gpu: gpu.milliwatts,
    "nvmlDeviceGetEnforcedPowerLimit": lambda gpu: 350_000,
    "nvmlDeviceGetTotalEnergyConsumption": lambda gpu: gpu.millijoules,
    "nvmlDeviceGetFanSpeed": lambda gpu: 40,
    "nvmlDeviceGetClockInfo": lambda gpu: 1700,
    "nvmlDeviceGetCurrentClocksEventReasons": lambda gpu: gpu.throttle_bits,
    "nvmlDeviceGetTotalEccErrors": lambda gpu: gpu.memory_errors,
}
