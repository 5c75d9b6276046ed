"""The machines, their GPUs, and what the services take of this one."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client.metrics_core import Metric

from realm.config import RealmConfig
from realm.machine.machine import Gpu, Machine
from realm.world import World
from watchtower import machines
from watchtower.prometheus.families import Table

MOST_HOSTS, MOST_GPUS, MOST_SERVICES = 32, 16, 64


def figures(world: World, config: RealmConfig) -> Iterator[Metric]:
    hosts, gpus, services = _hosts(), _gpus(), _services()
    for host in machines.now(world, config)[:MOST_HOSTS]:
        hosts.add((host.host,), {"realm_machine_up": float(host.fresh)})
        if host.machine is None or not host.fresh:
            continue
        hosts.add((host.host,), _of_machine(host.machine))
        for gpu in (host.machine.gpus or ())[:MOST_GPUS]:
            gpus.add((host.host, str(gpu.index), gpu.name or ""), _of_gpu(gpu))
        for use in host.services[:MOST_SERVICES]:
            services.add((use.name,), {
                "realm_service_memory_bytes": use.memory_bytes,
                "realm_service_cpu_ratio": _ratio(use.cpu_percent),
            })  # fmt: skip
    yield from hosts.families()
    yield from gpus.families()
    yield from services.families()


def _hosts() -> Table:
    table = Table(("host",))
    table.declare("realm_machine_up", "1 where the machine has told of itself in the last 45 seconds.")
    table.declare("realm_machine_cpu_ratio", "Use of all processors together, 0 to 1.")
    table.declare("realm_machine_load1", "Load average over one minute.")
    table.declare("realm_machine_memory_total_bytes", "Memory.")
    table.declare("realm_machine_memory_used_bytes", "Memory that is not available.")
    table.declare("realm_machine_swap_used_bytes", "Swap in use.")
    table.declare("realm_machine_disk_total_bytes", "File system of the world.")
    table.declare("realm_machine_disk_free_bytes", "Free on the file system of the world.")
    table.declare("realm_machine_disk_read_bytes_per_second", "From the disk of the world.")
    table.declare("realm_machine_disk_written_bytes_per_second", "To the disk of the world.")
    table.declare("realm_machine_network_received_bytes_per_second", "Over all interfaces but loopback.")
    table.declare("realm_machine_network_sent_bytes_per_second", "Over all interfaces but loopback.")
    table.declare("realm_machine_temperature_celsius", "Of the hottest processor sensor.")
    return table


def _gpus() -> Table:
    table = Table(("host", "gpu", "name"))
    table.declare("realm_gpu_use_ratio", "Share of time in which it computed, 0 to 1.")
    table.declare("realm_gpu_memory_total_bytes", "Memory of the GPU.")
    table.declare("realm_gpu_memory_used_bytes", "Memory of the GPU in use.")
    table.declare("realm_gpu_temperature_celsius", "Of the GPU's core.")
    table.declare("realm_gpu_power_watts", "That it takes now.")
    table.declare("realm_gpu_power_limit_watts", "That it may take.")
    table.declare("realm_gpu_energy_joules", "Since its driver was loaded.", counts=True)
    table.declare("realm_gpu_throttled", "1 where something holds its clocks down.")
    return table


def _services() -> Table:
    table = Table(("service",))
    table.declare("realm_service_memory_bytes", "Resident memory of the service and its children.")
    table.declare("realm_service_cpu_ratio", "Processors that it uses: 1 is one whole processor.")
    return table


def _of_machine(told: Machine) -> dict[str, float | None]:
    return {
        "realm_machine_cpu_ratio": _ratio(told.cpu_percent),
        "realm_machine_load1": told.load_average[0] if told.load_average else None,
        "realm_machine_memory_total_bytes": told.memory_total_bytes,
        "realm_machine_memory_used_bytes": told.memory_used_bytes,
        "realm_machine_swap_used_bytes": told.swap_used_bytes,
        "realm_machine_disk_total_bytes": told.disk_total_bytes,
        "realm_machine_disk_free_bytes": told.disk_free_bytes,
        "realm_machine_disk_read_bytes_per_second": told.disk_read_bytes_per_second,
        "realm_machine_disk_written_bytes_per_second": told.disk_written_bytes_per_second,
        "realm_machine_network_received_bytes_per_second": told.network_received_bytes_per_second,
        "realm_machine_network_sent_bytes_per_second": told.network_sent_bytes_per_second,
        "realm_machine_temperature_celsius": told.temperature_celsius,
    }


def _of_gpu(gpu: Gpu) -> dict[str, float | None]:
    return {
        "realm_gpu_use_ratio": _ratio(gpu.use_percent),
        "realm_gpu_memory_total_bytes": gpu.memory_total_bytes,
        "realm_gpu_memory_used_bytes": gpu.memory_used_bytes,
        "realm_gpu_temperature_celsius": gpu.temperature_celsius,
        "realm_gpu_power_watts": gpu.power_watts,
        "realm_gpu_power_limit_watts": gpu.power_limit_watts,
        "realm_gpu_energy_joules": gpu.energy_joules,
        "realm_gpu_throttled": None if gpu.throttled_by is None else float(bool(gpu.throttled_by)),
    }


def _ratio(percent: float | None) -> float | None:
    return None if percent is None else percent / 100
