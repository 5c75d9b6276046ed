"""A battle's memory by component, in megabytes (10^6 bytes): what was measured beside what was estimated."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from arena.protocol import EventKind
from arena.statistics.source import BEGINNINGS, Source, mapping, number
from arena.steps import Records

MEGABYTE = 1_000_000
HELD = ("weights", "gradients", "optimizer")


@dataclass(frozen=True, kw_only=True)
class Component:
    """Megabytes; None where it was not measured, or not estimated."""

    name: str
    measured_mb: float | None
    estimated_mb: float | None


@dataclass(frozen=True, kw_only=True)
class Allocator:
    """Of CUDA's allocator, at the newest checkpoint, in megabytes."""

    reserved_mb: float
    allocated_mb: float
    largest_free_mb: float | None
    """The largest block that it holds and nobody uses."""
    fragmentation: float | None
    """Share of what it reserved that lies in pieces of blocks in use, too small to be handed back."""


@dataclass(frozen=True, kw_only=True)
class MemoryReport:
    """`activations` are what is left of the measured peak when all that has a size of its own is taken off."""

    device: str | None
    components: tuple[Component, ...]
    peak_mb: float | None
    estimated_peak_mb: float | None
    machine_mb: float | None
    """What the device has."""
    allocator: Allocator | None
    """None on the CPU, whose memory is the process's."""


def report(source: Source, records: Records) -> MemoryReport:
    estimate = mapping(source.told("estimate", *BEGINNINGS))
    estimated, machine = mapping(estimate.get("memory")), estimate.get("machine_bytes")
    device = source.told("device", *BEGINNINGS)
    measured = mapping(source.told("memory", EventKind.CHECKPOINT_SAVED))
    peak = number(int(records["memory_bytes"].max())) if len(records) else None
    return MemoryReport(
        device=str(device) if device else None,
        components=tuple(_components(_measured(estimated, measured, peak), estimated)),
        peak_mb=_mb(peak),
        estimated_peak_mb=_mb(estimated.get("peak")),
        machine_mb=_mb(machine),
        allocator=_allocator(mapping(measured.get("allocator"))),
    )


def _measured(estimated: Mapping[str, Any], told: Mapping[str, Any], peak: float | None) -> dict[str, float]:
    """Bytes. What no release before said of itself is nowhere else; the process was measured when the battle began."""
    process = number(estimated.get("process"))
    sizes = {name: number(told.get(name)) for name in (*HELD, "copies")} | {"process": process}
    known = {name: size for name, size in sizes.items() if size is not None}
    if peak is not None and all(name in known for name in HELD):
        known["activations"] = max(0.0, peak - sum(known.values()))
    return known


def _components(measured: Mapping[str, float], estimated: Mapping[str, Any]) -> list[Component]:
    guessed: dict[str, float | None] = {name: number(estimated.get(name)) for name in (*HELD, "copies", "process")}
    parts = [number(estimated.get(name)) for name in ("activations", "logits", "heap")]
    guessed["activations"] = sum(part or 0.0 for part in parts) if any(part is not None for part in parts) else None
    return [
        Component(name=name, measured_mb=_mb(measured.get(name)), estimated_mb=_mb(guessed[name]))
        for name in (*HELD, "activations", "copies", "process")
    ]


def _allocator(told: Mapping[str, Any]) -> Allocator | None:
    reserved, allocated = _mb(told.get("reserved")), _mb(told.get("allocated"))
    if reserved is None or allocated is None:
        return None
    split = _mb(told.get("inactive_split"))
    return Allocator(
        reserved_mb=reserved,
        allocated_mb=allocated,
        largest_free_mb=_mb(told.get("largest_free")),
        fragmentation=split / reserved if split is not None and reserved else None,
    )


def _mb(value: Any) -> float | None:
    size = number(value)
    return None if size is None else float(np.round(size / MEGABYTE, 3))
