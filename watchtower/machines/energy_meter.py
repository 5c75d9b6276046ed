"""The energy that training takes, noted while it does: `battles/<id>/energy.bin`, a record for each sample.

The counters of GPUs and processor packages are taken where the machine has them, else power times time.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from arena import status as arena_status
from guild.tasks.load import gpu_of
from realm.machine.machine import Gpu, Machine
from realm.world import World

FILE = "energy.bin"
LONGEST_SECONDS = 30.0
"""Between two samples that lie further apart nobody knows what was done."""
DTYPE = np.dtype([("time", "<f8"), ("seconds", "<f8"), ("gpu_joules", "<f8"), ("cpu_joules", "<f8")])
"""`time` is the end of `seconds`; what no sensor told is NaN."""


class EnergyMeter:
    def __init__(self, world: World) -> None:
        self._world = world
        self._before: tuple[Machine, str | None] | None = None
        self._gpu = gpu_of("cuda") or 0

    def note(self, machine: Machine) -> None:
        """What was used since the sample before, if one battle trained all the while. Raises OSError."""
        arena = arena_status.read_status(self._world)
        battle = arena.battle if arena.state == "training" else None
        before, self._before = self._before, (machine, battle)
        if before is None or battle is None or before[1] != battle:
            return
        seconds = machine.time - before[0].time
        if not 0 < seconds <= LONGEST_SECONDS:
            return
        gpu = _of_gpu(self._trainers(before[0]), self._trainers(machine), seconds)
        cpu = _grown(before[0].cpu_energy_joules, machine.cpu_energy_joules)
        if gpu is not None or cpu is not None:
            append(self._world.battles / battle / FILE, machine.time, seconds, gpu, cpu)

    def _trainers(self, machine: Machine) -> Gpu | None:
        """The GPU on which the hero trains: the first one that its process sees."""
        return next((gpu for gpu in machine.gpus or () if gpu.index == self._gpu), None)


def append(path: Path, time: float, seconds: float, gpu: float | None, cpu: float | None) -> None:
    """A half-written last record is written over. Raises OSError, as for a battle that is gone."""
    record = np.array((time, seconds, np.nan if gpu is None else gpu, np.nan if cpu is None else cpu), DTYPE)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        size = os.fstat(handle).st_size
        os.pwrite(handle, record.tobytes(), size - size % DTYPE.itemsize)
    finally:
        os.close(handle)


def _of_gpu(before: Gpu | None, now: Gpu | None, seconds: float) -> float | None:
    if before is None or now is None or before.uuid != now.uuid:
        return None
    counted = _grown(before.energy_joules, now.energy_joules)
    if counted is not None or before.power_watts is None or now.power_watts is None:
        return counted
    return (before.power_watts + now.power_watts) / 2 * seconds


def _grown(before: float | None, now: float | None) -> float | None:
    """None where a counter went back: it began anew."""
    return now - before if before is not None and now is not None and now >= before else None
