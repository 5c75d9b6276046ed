"""The machines as the page shows them: what each does now, and heat that slows it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from realm.config import RealmConfig
from realm.machine.machine import Gpu, Machine
from realm.world import World
from tavern.formatting import UNKNOWN, fixed, rate, size
from tavern.watchtower.speed import Speed, read_speed
from tavern.watchtower.units import celsius, percent, watts
from watchtower import machines
from watchtower.machines import HostMachine


@dataclass(frozen=True, kw_only=True)
class Gauge:
    """One figure, with a bar where it is a part of a whole."""

    name: str
    said: str
    fraction: float | None = None


@dataclass(frozen=True, kw_only=True)
class GpuCard:
    gpu: Gpu
    gauges: list[Gauge]
    slowed: str
    """What holds its clocks down, in a sentence; empty where nothing does, or it does not tell."""


@dataclass(frozen=True, kw_only=True)
class MachineCard:
    host: HostMachine
    gauges: list[Gauge]
    gpus: list[GpuCard]
    no_gpus: str
    """Why there are none; empty where there are."""
    seen_at: datetime | None


def read_machines(world: World, config: RealmConfig) -> list[MachineCard]:
    """This machine first, then the others of hosts.yaml as they were last heard of. Raises DatabaseError."""
    found = machines.now(world, config)
    is_slowed = any(gpu.throttled_by for host in found if host.machine for gpu in host.machine.gpus or ())
    speed = read_speed(world) if is_slowed else None
    return [_card(host, speed) for host in found]


def _card(host: HostMachine, speed: Speed | None) -> MachineCard:
    machine = host.machine
    gpus = (machine.gpus or ()) if machine else ()
    return MachineCard(
        host=host,
        gauges=list(_gauges(machine)) if machine else [],
        gpus=[_gpu(gpu, speed if host.here else None) for gpu in gpus],
        no_gpus=_no_gpus(machine),
        seen_at=datetime.fromtimestamp(host.seen_at, UTC) if host.seen_at is not None else None,
    )


def _no_gpus(machine: Machine | None) -> str:
    if machine is None or machine.gpus:
        return ""
    return "Its GPU driver does not answer." if machine.gpus is None else "No GPU."


def _gauges(machine: Machine) -> Iterator[Gauge]:
    cores = f" of {machine.cores} cores" if machine.cores else ""
    yield Gauge(name="Processor", said=f"{percent(machine.cpu_percent)}{cores}", fraction=_share(machine.cpu_percent))
    yield _part("Memory", machine.memory_used_bytes, machine.memory_total_bytes)
    if machine.swap_used_bytes:
        yield _part("Swap", machine.swap_used_bytes, machine.swap_total_bytes)
    yield _part("Disk", machine.disk_used_bytes, machine.disk_total_bytes)
    yield Gauge(name="Temperature", said=celsius(machine.temperature_celsius))
    read, written = machine.disk_read_bytes_per_second, machine.disk_written_bytes_per_second
    yield Gauge(name="Disk reads, writes", said=f"{_per_second(read)}, {_per_second(written)}")
    received, sent = machine.network_received_bytes_per_second, machine.network_sent_bytes_per_second
    yield Gauge(name="Network in, out", said=f"{_per_second(received)}, {_per_second(sent)}")
    if machine.load_average:
        yield Gauge(name="Load", said=", ".join(fixed(load, 2) for load in machine.load_average))


def _gpu(gpu: Gpu, speed: Speed | None) -> GpuCard:
    is_limited = gpu.power_watts is not None and gpu.power_limit_watts
    power = watts(gpu.power_watts) + (f" of {watts(gpu.power_limit_watts)}" if is_limited else "")
    share = gpu.power_watts / gpu.power_limit_watts if gpu.power_watts and gpu.power_limit_watts else None
    return GpuCard(
        gpu=gpu,
        gauges=[
            Gauge(name="Use", said=percent(gpu.use_percent), fraction=_share(gpu.use_percent)),
            _part("Memory", gpu.memory_used_bytes, gpu.memory_total_bytes),
            Gauge(name="Temperature", said=celsius(gpu.temperature_celsius)),
            Gauge(name="Power", said=power, fraction=share),
        ],
        slowed=slowed(gpu, speed),
    )


def slowed(gpu: Gpu, speed: Speed | None) -> str:
    """`Its clocks are held down: it is too hot (91 °C). The battle makes 3.1 steps a second, 22% fewer than usual.`"""
    if not gpu.throttled_by:
        return ""
    heat = f" ({celsius(gpu.temperature_celsius)})" if gpu.temperature_celsius is not None else ""
    said = f"Its clocks are held down: {', '.join(gpu.throttled_by)}{heat}."
    if speed is None:
        return said
    less = 1 - speed.now / speed.usual
    compared = f"{less * 100:.0f}% fewer than usual" if less >= 0.01 else "as many as usual"
    return f"{said} The battle makes {rate(speed.now)} steps a second, {compared}."


def _part(name: str, used: int | None, total: int | None) -> Gauge:
    if used is None or not total:
        return Gauge(name=name, said=size(used))
    return Gauge(name=name, said=f"{size(used)} of {size(total)}", fraction=used / total)


def _share(percent: float | None) -> float | None:
    return None if percent is None else percent / 100


def _per_second(value: float | None) -> str:
    return UNKNOWN if value is None else f"{size(value)}/s"
