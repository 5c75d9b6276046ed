"""Reading this machine: in less than 2 ms of computing, without ever raising or waiting for what hangs."""

from __future__ import annotations

import os
import platform
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from realm.machine import gpus, sensors
from realm.machine.gpus import Gpus
from realm.machine.in_time import InTime
from realm.machine.machine import Machine

WINDOW_SECONDS = 2.0
"""Rates are means over at least this long, however often they are asked for."""
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 60.0
"""After such a silence the reading before is forgotten: its mean would be nobody's now."""
_SENSORS_SECONDS = 0.1


def read(home: Path) -> Machine:
    """This machine now, and the file system on which `home` lies. Never raises; see Machine for units."""
    return _reader(home).read()


@cache
def _reader(home: Path) -> Reader:
    return Reader(home)


@dataclass(frozen=True)
class _Counters:
    """What only grows, at one moment."""

    time: float
    cpu: tuple[float, float] | None
    """Busy and all seconds of the processors."""
    cores: tuple[tuple[float, float], ...] | None
    disk: tuple[int, int] | None
    network: tuple[int, int] | None


class Reader:
    """To be asked now and then; it remembers the reading before, from which it takes rates."""

    def __init__(self, home: Path, *, of_gpus: Gpus | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._home, self._gpus, self._clock = home, of_gpus or gpus.of_this_machine(), clock
        self._sensors = InTime(sensors.read, seconds=_SENSORS_SECONDS, name="sensors")
        self._seen: deque[_Counters] = deque()
        self._lock = threading.Lock()
        self._device = _try(lambda: _device_of(home))

    def read(self) -> Machine:
        with self._lock:
            before, now = self._look()
        memory, swap = _try(psutil.virtual_memory), _try(psutil.swap_memory)
        disk = _try(lambda: psutil.disk_usage(str(self._home)))
        told = self._sensors.get()
        return Machine(
            time=time.time(),
            name=platform.node(),
            cores=psutil.cpu_count(),
            load_average=_try(psutil.getloadavg),
            **_rates(before, now),
            memory_total_bytes=memory and memory.total,
            memory_used_bytes=memory and memory.total - memory.available,
            memory_available_bytes=memory and memory.available,
            swap_total_bytes=swap and swap.total,
            swap_used_bytes=swap and swap.used,
            disk_total_bytes=disk and disk.total,
            disk_used_bytes=disk and disk.used,
            disk_free_bytes=disk and disk.free,
            gpus=self._gpus.read(),
            **(_shallow(told) if told else {}),
        )

    def _look(self) -> tuple[_Counters, _Counters]:
        now = _Counters(
            time=self._clock(),
            cpu=_try(cpu_seconds),
            cores=_try(lambda: tuple(_busy(times) for times in psutil.cpu_times(percpu=True))),
            disk=_try(self._disk_bytes),
            network=_try(_network_bytes),
        )
        if self._seen and now.time - self._seen[-1].time > LONGEST_SECONDS:
            self._seen.clear()
        self._seen.append(now)
        while len(self._seen) > 2 and now.time - self._seen[1].time >= WINDOW_SECONDS:
            self._seen.popleft()
        return self._seen[0], now

    def _disk_bytes(self) -> tuple[int, int] | None:
        told = psutil.disk_io_counters(perdisk=True).get(self._device or "")
        return (told.read_bytes, told.write_bytes) if told else None


def cpu_seconds() -> tuple[float, float]:
    """Busy and all seconds of all processors since the machine was started."""
    return _busy(psutil.cpu_times())


def _busy(times: Any) -> tuple[float, float]:
    idle = times.idle + getattr(times, "iowait", 0.0)
    # Linux counts guests in user already.
    everything = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
    return everything - idle, everything


def _network_bytes() -> tuple[int, int]:
    told = [each for name, each in psutil.net_io_counters(pernic=True).items() if not name.startswith("lo")]
    return sum(each.bytes_recv for each in told), sum(each.bytes_sent for each in told)


def _device_of(home: Path) -> str | None:
    """As psutil names the block device; None where the kernel has none for it, as of a network's."""
    number = os.stat(home).st_dev
    link = Path(f"/sys/dev/block/{os.major(number)}:{os.minor(number)}")
    return link.resolve().name if link.exists() else None


def _rates(before: _Counters, now: _Counters) -> dict[str, Any]:
    seconds = now.time - before.time
    if seconds < SHORTEST_SECONDS:
        return {}
    cores: tuple[float | None, ...] | None = None
    if before.cores and now.cores and len(before.cores) == len(now.cores):
        cores = tuple(_percent(a, b) for a, b in zip(before.cores, now.cores, strict=True))
    read, written = _per_second(before.disk, now.disk, seconds)
    received, sent = _per_second(before.network, now.network, seconds)
    return {
        "cpu_percent": _percent(before.cpu, now.cpu) if before.cpu and now.cpu else None,
        "core_percents": cores,
        "disk_read_bytes_per_second": read,
        "disk_written_bytes_per_second": written,
        "network_received_bytes_per_second": received,
        "network_sent_bytes_per_second": sent,
    }


def _percent(before: tuple[float, float], now: tuple[float, float]) -> float | None:
    passed = now[1] - before[1]
    return min(100.0, max(0.0, 100.0 * (now[0] - before[0]) / passed)) if passed > 0 else None


def _per_second(
    before: tuple[int, int] | None, now: tuple[int, int] | None, seconds: float
) -> tuple[float | None, float | None]:
    """None where a counter went back: a device was taken out or put in."""
    if before is None or now is None or now[0] < before[0] or now[1] < before[1]:
        return None, None
    return (now[0] - before[0]) / seconds, (now[1] - before[1]) / seconds


def _shallow(told: sensors.Sensors) -> dict[str, Any]:
    return {field.name: getattr(told, field.name) for field in fields(told)}


def _try(ask: Callable[[], Any]) -> Any:
    """None where this system does not tell it, or this process may not ask."""
    try:
        return ask()
    except (OSError, ValueError, RuntimeError, AttributeError, NotImplementedError, psutil.Error):
        return None
