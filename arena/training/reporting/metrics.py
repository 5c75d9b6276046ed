"""What each step measured, read from the device without making training wait for it."""

from __future__ import annotations

import os
import re
import time
from collections import deque
from dataclasses import dataclass, replace
from pathlib import Path

import psutil
import torch
from torch import Tensor

from arena.protocol import StepRecord

MOST_IN_FLIGHT = 8
"""Steps whose values may still be on the device; then the oldest is waited for."""

_PROCESS = psutil.Process(os.getpid())
_STATUS, _RESET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _InFlight:
    record: StepRecord
    values_2: Tensor
    """Loss and gradient norm, float32, in host memory once `arrived` has happened."""
    arrived: torch.cuda.Event | None


class StepMeter:
    """Takes loss and gradient norm as tensors, gives whole records, in order.

    On the CPU a record is ready at once; on CUDA some steps later, with the device's own time for the step.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._in_flight: deque[_InFlight] = deque()
        self._last_arrival: torch.cuda.Event | None = None

    def add(self, record: StepRecord, loss: Tensor, grad_norm: Tensor) -> None:
        """`record` is complete but for `loss` and `grad_norm`, both of shape ()."""
        values_2 = torch.stack((loss.detach(), grad_norm.detach())).float()
        arrived = None
        if self._cuda:
            host_2 = torch.empty(2, pin_memory=True)
            values_2 = host_2.copy_(values_2, non_blocking=True)
            arrived = torch.cuda.Event(enable_timing=True)
            arrived.record()
        self._in_flight.append(_InFlight(record, values_2, arrived))

    def ready(self, *, wait: bool = False) -> list[StepRecord]:
        """Records whose values are here; with `wait` all of them."""
        records = []
        while self._in_flight and (wait or self._oldest_is_here()):
            records.append(self._complete(self._in_flight.popleft()))
        return records

    def forget(self) -> None:
        """Drop what is in flight: those steps are about to be done again."""
        self._in_flight.clear()
        self._last_arrival = None

    def _oldest_is_here(self) -> bool:
        arrived = self._in_flight[0].arrived
        return arrived is None or arrived.query() or len(self._in_flight) > MOST_IN_FLIGHT

    def _complete(self, oldest: _InFlight) -> StepRecord:
        record = oldest.record
        if oldest.arrived:
            oldest.arrived.synchronize()
            if self._last_arrival:
                record = replace(record, step_seconds=self._last_arrival.elapsed_time(oldest.arrived) / 1e3)
            self._last_arrival = oldest.arrived
        loss, grad_norm = oldest.values_2.tolist()
        return replace(record, loss=loss, grad_norm=grad_norm, time=time.time())


def memory_in_use(device: torch.device) -> int:
    """The most bytes that were in use since the last call: allocated on CUDA, resident in memory on the CPU.

    The kernel keeps the peak itself, so what comes and goes inside a step counts too.
    """
    if device.type == "cuda":
        peak = torch.cuda.max_memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        return peak
    try:
        peak = _peak_resident()
        _RESET_PEAK.write_text("5")
    except OSError:  # no Linux, or /proc is closed: what is resident now
        peak = int(_PROCESS.memory_info().rss)
    return peak


def _peak_resident() -> int:
    """`VmHWM` of proc(5), in bytes."""
    found = _PEAK.search(_STATUS.read_bytes())
    if found is None:
        raise OSError(f"{_STATUS} does not say VmHWM")
    return int(found[1]) * 1024
