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
from arena.training.reporting.row_losses import RowLosses
from arena.worst_rows import WorstRows

MOST_IN_FLIGHT = 8
"""Steps whose values may still be on the device; then the oldest is waited for."""

_PROCESS = psutil.Process(os.getpid())
_STATUS, _RESET_PEAK = Path("/proc/self/status"), Path("/proc/self/clear_refs")
_PEAK = re.compile(rb"^VmHWM:\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class _InFlight:
    record: StepRecord
    rows: RowLosses | None
    values: Tensor
    """Loss, gradient norm, and of `rows` what it tells; float32, in host memory once `arrived` has happened."""
    arrived: torch.cuda.Event | None


@dataclass(frozen=True)
class MeasuredStep(StepRecord):
    worst_rows: WorstRows | None = None
    """None where this process has not seen all rows of the step."""


class StepMeter:
    """Takes loss and gradient norm as tensors, gives whole steps, in order.

    On the CPU a step is ready at once; on CUDA some steps later, with the device's own time for the step.
    """

    def __init__(self, device: torch.device) -> None:
        self._cuda = device.type == "cuda"
        self._in_flight: deque[_InFlight] = deque()
        self._last_arrival: torch.cuda.Event | None = None

    def add(self, record: StepRecord, loss: Tensor, grad_norm: Tensor, rows: RowLosses | None = None) -> None:
        """`record` is complete but for `loss` and `grad_norm`, both of shape ()."""
        values = torch.stack((loss.detach(), grad_norm.detach())).float()
        if rows is not None:
            values = torch.cat((values, rows.worst()))
        arrived = None
        if self._cuda:
            host = torch.empty(len(values), pin_memory=True)
            values = host.copy_(values, non_blocking=True)
            arrived = torch.cuda.Event(enable_timing=True)
            arrived.record()
        self._in_flight.append(_InFlight(record, rows, values, arrived))

    def ready(self, *, wait: bool = False) -> list[MeasuredStep]:
        """Steps whose values are here; with `wait` all of them."""
        found = []
        while self._in_flight and (wait or self._oldest_is_here()):
            found.append(self._complete(self._in_flight.popleft()))
        return found

    def forget(self) -> None:
        """Drop what is in flight: those steps are about to be done again."""
        self._in_flight.clear()
        self._last_arrival = None

    def _oldest_is_here(self) -> bool:
        arrived = self._in_flight[0].arrived
        return arrived is None or arrived.query() or len(self._in_flight) > MOST_IN_FLIGHT

    def _complete(self, oldest: _InFlight) -> MeasuredStep:
        record = oldest.record
        if oldest.arrived:
            oldest.arrived.synchronize()
            if self._last_arrival:
                record = replace(record, step_seconds=self._last_arrival.elapsed_time(oldest.arrived) / 1e3)
            self._last_arrival = oldest.arrived
        loss, grad_norm, *worst_2K = oldest.values.tolist()
        record = replace(record, loss=loss, grad_norm=grad_norm, time=time.time())
        worst = oldest.rows.named(record.step, worst_2K) if oldest.rows else None
        return MeasuredStep(**vars(record), worst_rows=worst)


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
