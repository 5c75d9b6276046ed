"""The last day of each machine as small curves."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from realm.config import RealmConfig
from realm.world import World
from tavern.formatting import size
from tavern.watchtower.units import celsius, percent, watts
from watchtower import machines
from watchtower.machines import HostMachine
from watchtower.machines.day import MachineHistory

POINTS = 288
"""One each five minutes."""
Values = Sequence[float | None]


@dataclass(frozen=True, kw_only=True)
class Curve:
    name: str
    paths: list[str]
    """Points of a polyline for each stretch without a gap, in a box of 1 by 1 whose y grows downwards."""
    said: str
    """Lowest, highest and newest figure."""


@dataclass(frozen=True, kw_only=True)
class Past:
    host: HostMachine
    curves: list[Curve]


def read_pasts(world: World, config: RealmConfig) -> list[Past]:
    """Of machines of which anything is known."""
    found = machines.now(world, config)
    pasts = [Past(host=host, curves=list(_curves(_history(world, host)))) for host in found]
    return [past for past in pasts if past.curves]


def _history(world: World, host: HostMachine) -> MachineHistory:
    return machines.history(world, "" if host.here else host.host, points=POINTS)


def _curves(history: MachineHistory) -> Iterator[Curve]:
    series = history.series
    yield from curve("processor", series["cpu_percent"], percent, most=100.0)
    yield from curve("memory", series["memory_used_bytes"], size, most=_highest(series["memory_total_bytes"]))
    yield from curve("disk free", series["disk_free_bytes"], size, most=_highest(series["disk_total_bytes"]))
    yield from curve("temperature", series["temperature_celsius"], celsius)
    for gpu in history.gpus:
        name = f"GPU {gpu.index}"
        yield from curve(f"{name} use", gpu.series["use_percent"], percent, most=100.0)
        yield from curve(
            f"{name} memory", gpu.series["memory_used_bytes"], size, most=_highest(gpu.series["memory_total_bytes"])
        )
        yield from curve(f"{name} temperature", gpu.series["temperature_celsius"], celsius)
        yield from curve(f"{name} power", gpu.series["power_watts"], watts)


def curve(name: str, values: Values, said: Callable[[float], str], *, most: float | None = None) -> Iterator[Curve]:
    """None where the machine told nothing; `most` is the top of the box, else the highest value."""
    known = [value for value in values if value is not None]
    if not known:
        return
    top = most or max(known) or 1.0
    yield Curve(
        name=name,
        paths=[_path(stretch, len(values), top) for stretch in _stretches(values)],
        said=f"{said(min(known))} to {said(max(known))}, now {said(known[-1])}",
    )


def _stretches(values: Values) -> Iterator[list[tuple[int, float]]]:
    stretch: list[tuple[int, float]] = []
    for place, value in enumerate(values):
        if value is not None:
            stretch.append((place, value))
        elif stretch:
            yield stretch
            stretch = []
    if stretch:
        yield stretch


def _path(stretch: list[tuple[int, float]], count: int, top: float) -> str:
    """One sample is a short dash, which a line of one point is not."""
    width = max(1, count - 1)
    points = [(place / width, 1 - min(1.0, max(0.0, value / top))) for place, value in stretch]
    if len(points) == 1:
        points.append((points[0][0] + 0.5 / width, points[0][1]))
    return " ".join(f"{x:.4f},{y:.3f}" for x, y in points)


def _highest(values: Values) -> float | None:
    return max((value for value in values if value is not None), default=None)
