"""Temperatures, fans, clocks and energy of the processors. Reading them may wake slow hardware."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from realm.machine.machine import Sensor

POWERCAP = Path("/sys/class/powercap")
_PACKAGES = "intel-rapl:[0-9]"
"""Parts of a package stand as `intel-rapl:0:0` and would count twice."""
_OF_PROCESSORS = ("coretemp", "k10temp", "zenpower", "cpu_thermal", "cpu-thermal", "soc_thermal", "acpitz")
"""Drivers, the surest first."""
_MOST = 64
"""Servers have hundreds; nobody reads so many."""


@dataclass(frozen=True, kw_only=True)
class Sensors:
    temperature_celsius: float | None
    temperatures_celsius: tuple[Sensor, ...] | None
    fans_rpm: tuple[Sensor, ...] | None
    cpu_mhz: float | None
    cpu_energy_joules: float | None


def read() -> Sensors:
    """What the kernel tells; None for what it does not."""
    temperatures = _told("sensors_temperatures")
    clock = _told("cpu_freq")
    return Sensors(
        temperature_celsius=hottest(temperatures),
        temperatures_celsius=_sensors(temperatures),
        fans_rpm=_sensors(_told("sensors_fans")),
        cpu_mhz=float(clock.current) if clock and clock.current else None,
        cpu_energy_joules=cpu_energy(),
    )


def hottest(temperatures: Mapping[str, Iterable[Any]] | None) -> float | None:
    """Of the processors, or of all there is where no driver of theirs is known."""
    by_driver = temperatures or {}
    chosen = next((by_driver[name] for name in _OF_PROCESSORS if by_driver.get(name)), None)
    entries = chosen if chosen is not None else [entry for found in by_driver.values() for entry in found]
    return max((entry.current for entry in entries if _is_real(entry.current)), default=None)


def cpu_energy(powercap: Path = POWERCAP) -> float | None:
    """Joules that all packages have used since some moment; None where one of them cannot be read."""
    try:
        packages = [path / "energy_uj" for path in powercap.glob(_PACKAGES)]
        return sum(int(path.read_text()) for path in packages) / 1e6 if packages else None
    except (OSError, ValueError):
        return None


def _sensors(told: Mapping[str, Iterable[Any]] | None) -> tuple[Sensor, ...] | None:
    found = [
        Sensor(name=" ".join(filter(None, (driver, entry.label))), value=float(entry.current))
        for driver, entries in (told or {}).items()
        for entry in entries
        if _is_real(entry.current)
    ]
    return tuple(found[:_MOST]) or None


def _is_real(value: Any) -> bool:
    """Boards that have no such sensor tell absolute zero, or 255 and more."""
    return isinstance(value, int | float) and math.isfinite(value) and -100 < value < 100_000


def _told(name: str) -> Any:
    """psutil has these functions on some systems alone."""
    ask = getattr(psutil, name, None)
    try:
        return ask() if ask else None
    except (OSError, ValueError, RuntimeError, NotImplementedError, psutil.Error):
        return None
