"""The last day of one machine, kept as rings below `status/machines/<host>/`: one of the machine, one of each GPU."""

from __future__ import annotations

import hashlib
import shutil
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from realm.disk import durable, mailbox
from realm.machine.machine import Gpu, Machine
from realm.world import World
from watchtower.machines.ring import EVERY_SECONDS, SLOTS, Records, Ring

FOLDER = "machines"
HERE = "_here"
"""This machine's folder: no host of hosts.yaml can be called so."""
DAY_SECONDS = SLOTS * EVERY_SECONDS
MOST_POINTS = 720
MOST_GPUS = 16
_GPUS_FILE = "gpus.json"
_MACHINE_FIELDS = (
    "cpu_percent", "memory_used_bytes", "memory_total_bytes", "swap_used_bytes", "disk_free_bytes", "disk_total_bytes",
    "disk_read_bytes_per_second", "disk_written_bytes_per_second", "network_received_bytes_per_second",
    "network_sent_bytes_per_second", "temperature_celsius", "load",
)  # fmt: skip
_GPU_FIELDS = ("use_percent", "memory_used_bytes", "memory_total_bytes", "temperature_celsius", "power_watts")


@dataclass(frozen=True, kw_only=True)
class GpuHistory:
    name: str
    uuid: str
    index: int
    series: dict[str, list[float | None]]


@dataclass(frozen=True, kw_only=True)
class MachineHistory:
    """Means over equal stretches of time; None where there was no sample, or the machine did not tell."""

    host: str
    times: list[float]
    """Where each stretch begins, in seconds since 1970."""
    seconds: float
    """How long a stretch is."""
    series: dict[str, list[float | None]]
    gpus: list[GpuHistory]


def write(world: World, host: str, machine: Machine) -> None:
    """One sample. Raises OSError."""
    folder = _folder(world, host)
    folder.mkdir(parents=True, exist_ok=True)
    load = machine.load_average[0] if machine.load_average else None
    figures = {name: getattr(machine, name, None) for name in _MACHINE_FIELDS} | {"load": load}
    _ring_of_machine(folder).write(machine.time, figures)
    known = _known_gpus(folder)
    seen = {_key(gpu): gpu for gpu in (machine.gpus or ())[:MOST_GPUS]}
    for key, gpu in seen.items():
        _ring_of_gpu(folder, key).write(machine.time, {name: getattr(gpu, name) for name in _GPU_FIELDS})
    fresh = {key: told for key, told in known.items() if machine.time - told["seen_at"] < DAY_SECONDS}
    now = fresh | {key: _described(gpu, machine.time) for key, gpu in seen.items()}
    for gone in set(known) - set(now):
        _gpu_file(folder, gone).unlink(missing_ok=True)
    if now:
        durable.write_json(folder / _GPUS_FILE, now, sync=False)


def read(
    world: World, host: str, *, hours: float = 24, points: int = MOST_POINTS, now: float | None = None
) -> MachineHistory:
    """At most `points` stretches, each a whole number of samples long."""
    until = time.time() if now is None else now
    span = min(max(hours, 0.0) * 3600, DAY_SECONDS)
    seconds = EVERY_SECONDS * max(1, -(-int(span) // (EVERY_SECONDS * max(points, 1))))
    count = max(1, int(-(-span // seconds)))
    start = (until // seconds + 1 - count) * seconds
    folder = _folder(world, host)
    edges = start + seconds * np.arange(count)

    def series(ring: Ring, fields: tuple[str, ...]) -> dict[str, list[float | None]]:
        return _means(ring.read(start, until), fields, start, seconds, count)

    gpus = [
        GpuHistory(
            name=told["name"], uuid=told["uuid"], index=told["index"],
            series=series(_ring_of_gpu(folder, key), _GPU_FIELDS),
        )
        for key, told in sorted(_known_gpus(folder).items(), key=lambda each: (each[1]["index"], each[0]))
    ]  # fmt: skip
    own = series(_ring_of_machine(folder), _MACHINE_FIELDS)
    return MachineHistory(
        host="" if host == HERE else host, times=edges.tolist(), seconds=float(seconds), series=own, gpus=gpus
    )


def forget_old(world: World, now: float) -> None:
    """Hosts from which nothing came for a day."""
    root = world.status / FOLDER
    for folder in root.iterdir() if root.is_dir() else ():
        with suppress(OSError):
            if all(now - path.stat().st_mtime > DAY_SECONDS for path in folder.iterdir()):
                shutil.rmtree(folder)


def _means(
    records: Records, fields: tuple[str, ...], start: float, seconds: float, count: int
) -> dict[str, list[float | None]]:
    at = ((records["time"] - start) // seconds).astype(np.int64)
    means = {}
    for name in fields:
        values = records[name].astype(np.float64)
        known = np.isfinite(values)
        sums = np.bincount(at[known], values[known], minlength=count)
        counts = np.bincount(at[known], minlength=count)
        means[name] = [float(total / many) if many else None for total, many in zip(sums, counts, strict=True)]
    return means


def _folder(world: World, host: str) -> Path:
    return world.status / FOLDER / host


def _ring_of_machine(folder: Path) -> Ring:
    return Ring(folder / "machine.ring", _MACHINE_FIELDS)


def _ring_of_gpu(folder: Path, key: str) -> Ring:
    return Ring(_gpu_file(folder, key), _GPU_FIELDS)


def _gpu_file(folder: Path, key: str) -> Path:
    return folder / f"gpu-{key}.ring"


def _key(gpu: Gpu) -> str:
    return hashlib.sha256((gpu.uuid or f"number {gpu.index}").encode()).hexdigest()[:16]


def _described(gpu: Gpu, now: float) -> dict[str, Any]:
    return {"name": gpu.name or "", "uuid": gpu.uuid or "", "index": gpu.index, "seen_at": now}


def _known_gpus(folder: Path) -> dict[str, dict[str, Any]]:
    try:
        value = mailbox.read_json(folder / _GPUS_FILE)
    except (OSError, mailbox.Damaged):
        return {}
    empty = {"name": "", "uuid": "", "index": 0, "seen_at": 0.0}
    mappings = value if isinstance(value, dict) else {}
    return {key: empty | told for key, told in mappings.items() if isinstance(told, dict) and key.isalnum()}
