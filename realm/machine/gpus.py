"""NVIDIA's GPUs, by the driver's own library. A driver may hang in any call: it is asked in a thread."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import pynvml

from realm.machine.in_time import InTime
from realm.machine.machine import Gpu

log = logging.getLogger(__name__)

WAIT_SECONDS = 0.25
STUCK_SECONDS = 10.0
AGAIN_SECONDS = 60.0
"""A machine without a driver is looked at again after so long."""
_REASONS = (
    ("nvmlClocksEventReasonHwThermalSlowdown", "it is too hot (hardware)"),
    ("nvmlClocksEventReasonSwThermalSlowdown", "it is too hot"),
    ("nvmlClocksEventReasonHwPowerBrakeSlowdown", "the power supply asks for less"),
    ("nvmlClocksEventReasonHwSlowdown", "the hardware slows it down"),
    ("nvmlClocksEventReasonSwPowerCap", "its power limit is reached"),
    ("nvmlClocksEventReasonSyncBoost", "it keeps step with other GPUs"),
    ("nvmlClocksEventReasonUserDefinedClocks", "somebody has set its clocks"),
)
"""What holds the clocks of a GPU that works; that it is idle is none."""
ALARMING = frozenset(words for _, words in _REASONS[:4])
"""Those that somebody should look after; a reached power limit is how a busy GPU works."""


class Gpus:
    """All of a machine, in the driver's order."""

    def __init__(self, *, library: Any = pynvml, wait_seconds: float = WAIT_SECONDS) -> None:
        self._library = library
        self._known: tuple[Gpu, ...] | None = None
        self._answers = False
        self._is_open, self._absent_since = False, -AGAIN_SECONDS
        self._asked = InTime(self._look, seconds=wait_seconds, name="gpus")

    def read(self) -> tuple[Gpu, ...] | None:
        """Empty where there is no driver; None while one does not answer and has never told which GPUs there are.

        Of a driver that hangs or is gone, the GPUs that it told of stay, and nothing is known of what they do.
        """
        is_absent = time.monotonic() - self._absent_since < AGAIN_SECONDS
        told = () if is_absent else self._asked.get()
        if not told and self._known:
            return tuple(_unknown(gpu) for gpu in self._known)
        return told

    @property
    def is_stuck(self) -> bool:
        """Whether the driver owes an answer for long, or answers for no GPU any more. A first one may take seconds."""
        waited = self._asked.open_seconds
        return waited > STUCK_SECONDS or bool(waited == 0 and self._known and not self._answers)

    def percents(self) -> tuple[float | None, ...]:
        """How much each is used; one that does not tell stands for a driver that does not answer."""
        told = self.read()
        return (None,) if told is None else tuple(gpu.use_percent for gpu in told)

    def _look(self) -> tuple[Gpu, ...]:
        found = self._found()
        self._known, self._answers = found or self._known, any(gpu.answers for gpu in found)
        return found

    def _found(self) -> tuple[Gpu, ...]:
        try:
            if not self._is_open:
                self._library.nvmlInit()
                self._is_open = True
            return tuple(self._gpu(index) for index in range(self._library.nvmlDeviceGetCount()))
        except self._library.NVMLError as error:
            log.debug("no GPU: %s", error)
            if self._is_open:  # a driver that was loaded anew is known by a new handle alone
                self._told(self._library.nvmlShutdown)
            self._is_open, self._absent_since = False, time.monotonic()
            return ()

    def _gpu(self, index: int) -> Gpu:
        """Of one that fell off the bus nothing but its number."""
        library = self._library
        handle = self._told(lambda: library.nvmlDeviceGetHandleByIndex(index))
        if handle is None:
            return Gpu(index=index)
        memory = self._told(lambda: library.nvmlDeviceGetMemoryInfo(handle))
        return Gpu(
            index=index,
            name=self._text(lambda: library.nvmlDeviceGetName(handle)),
            uuid=self._text(lambda: library.nvmlDeviceGetUUID(handle)),
            use_percent=self._number(lambda: library.nvmlDeviceGetUtilizationRates(handle).gpu),
            memory_used_bytes=None if memory is None else int(memory.used),
            memory_total_bytes=None if memory is None else int(memory.total),
            temperature_celsius=self._number(
                lambda: library.nvmlDeviceGetTemperature(handle, library.NVML_TEMPERATURE_GPU)
            ),
            power_watts=self._number(lambda: library.nvmlDeviceGetPowerUsage(handle), 1000),
            power_limit_watts=self._number(lambda: library.nvmlDeviceGetEnforcedPowerLimit(handle), 1000),
            energy_joules=self._number(lambda: library.nvmlDeviceGetTotalEnergyConsumption(handle), 1000),
            fan_percent=self._number(lambda: library.nvmlDeviceGetFanSpeed(handle)),
            clock_mhz=self._number(lambda: library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_GRAPHICS)),
            memory_clock_mhz=self._number(lambda: library.nvmlDeviceGetClockInfo(handle, library.NVML_CLOCK_MEM)),
            throttled_by=self._throttled_by(handle),
            memory_errors=self._number(
                lambda: library.nvmlDeviceGetTotalEccErrors(
                    handle, library.NVML_MEMORY_ERROR_TYPE_UNCORRECTED, library.NVML_VOLATILE_ECC
                )
            ),
        )

    def _throttled_by(self, handle: Any) -> tuple[str, ...] | None:
        bits = self._told(lambda: self._library.nvmlDeviceGetCurrentClocksEventReasons(handle))
        if bits is None:
            return None
        return tuple(words for name, words in _REASONS if int(bits) & getattr(self._library, name))

    def _number(self, ask: Callable[[], Any], divisor: float = 1) -> float | None:
        told = self._told(ask)
        return None if told is None else float(told) / divisor

    def _text(self, ask: Callable[[], Any]) -> str | None:
        """Older bindings answer in bytes."""
        told = self._told(ask)
        return told.decode(errors="replace") if isinstance(told, bytes) else None if told is None else str(told)

    def _told(self, ask: Callable[[], Any]) -> Any:
        """None where this GPU, or a slice of one, or this driver does not tell it."""
        try:
            return ask()
        except self._library.NVMLError:
            return None


def _unknown(gpu: Gpu) -> Gpu:
    known = Gpu(index=gpu.index, name=gpu.name, uuid=gpu.uuid)
    return replace(known, memory_total_bytes=gpu.memory_total_bytes, power_limit_watts=gpu.power_limit_watts)


@cache
def of_this_machine() -> Gpus:
    """The one of this process: each would hold a thread of its own in a driver that hangs."""
    return Gpus()
