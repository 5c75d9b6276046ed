"""Every ten seconds, in the vault's own process: this machine is read, the others are asked, all of it is kept."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from realm.config import RealmConfig
from realm.disk import durable
from realm.machine import readings, wire
from realm.machine.machine import Machine
from realm.machine.services import ServiceMeter
from realm.world import World
from watchtower.machines import day, selectors
from watchtower.machines.day import HERE
from watchtower.machines.energy_meter import EnergyMeter
from watchtower.machines.others import Others, Told

log = logging.getLogger(__name__)

_FORGET_SECONDS = 3600.0


class Sampler:
    def __init__(
        self,
        world: World,
        config: RealmConfig,
        *,
        read: Callable[[Path], Machine] = readings.read,
        others: Others | None = None,
    ) -> None:
        self._world, self._config, self._read = world, config, read
        self._others = others or Others()
        self._services, self._energy = ServiceMeter(world), EnergyMeter(world)
        self._forgot_at = 0.0

    def sample(self) -> None:
        """One look at everything. Raises OSError where the world cannot be written."""
        here = self._read(self._world.home)
        told = {HERE: Told(machine=here, seen_at=here.time)}
        told |= self._others.look(selectors.other_hosts(self._world, self._config))
        status = {host: _status(said) for host, said in told.items()}
        status[HERE]["services"] = [asdict(use) for use in self._services.read()]
        durable.write_json(
            self._world.status / selectors.STATUS_FILE, {"time": time.time(), "hosts": status}, sync=False
        )
        self._energy.note(here)
        for host, said in told.items():
            if said.machine and not said.trouble:
                day.write(self._world, host, said.machine)
        if here.time - self._forgot_at > _FORGET_SECONDS:
            self._forgot_at = here.time
            day.forget_old(self._world, here.time)


def _status(said: Told) -> dict[str, Any]:
    machine = wire.told(said.machine) if said.machine else None
    return {"seen_at": said.seen_at, "trouble": said.trouble, "machine": machine}
