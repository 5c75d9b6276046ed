"""What the machines do now in a few figures: an answer of `/api/system/metrics`, and one event of its stream."""

from __future__ import annotations

from typing import Any

from watchtower.machines.selectors import HostMachine


def figures(found: list[HostMachine]) -> dict[str, Any]:
    """Of this machine, then `hosts`, all of them. Percents are of all there is; None where it is not told."""
    here = found[0].machine
    assert here is not None, "this machine is always read"
    return {
        "time": here.time,
        "cpu_percent": here.cpu_percent,
        "memory_percent": _percent(here.memory_used_bytes, here.memory_total_bytes),
        "disk_percent": _percent(here.disk_used_bytes, here.disk_total_bytes),
        "temperature_celsius": here.temperature_celsius,
        "gpus": here.gpus,
        "hosts": found,
    }


def _percent(part: int | None, whole: int | None) -> float | None:
    return 100.0 * part / whole if part is not None and whole else None
