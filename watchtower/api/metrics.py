"""`/api/system/metrics`: what the machines do now and did in the last day, and what training has cost in energy."""

from __future__ import annotations

from typing import Annotated, Any

from django.conf import settings
from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import Field

from realm.machine.machine import Gpu
from watchtower import machines
from watchtower.machines import energy
from watchtower.machines.day import MachineHistory
from watchtower.machines.energy import BattleEnergy, LevelEnergy
from watchtower.machines.figures import figures
from watchtower.machines.selectors import HostMachine

router = Router()
Hours = Annotated[float, Field(ge=0, le=24, description="of history, thinned to `points`; 0: none")]
Points = Annotated[int, Field(ge=1, le=8640)]


class Metrics(Schema):
    """Of this machine; percents are of all there is, null where it is not told."""

    time: float
    """Seconds since 1970."""
    cpu_percent: float | None
    memory_percent: float | None
    disk_percent: float | None
    temperature_celsius: float | None
    gpus: list[Gpu] | None
    hosts: list[HostMachine]
    """This machine first."""
    history: MachineHistory | None = None
    """Where `hours` are asked for."""


class EnergyUsed(Schema):
    price_per_kwh: float | None
    battles: list[BattleEnergy]
    levels: list[LevelEnergy]


@router.get("/metrics", response=Metrics, exclude_unset=True)
def metrics(request: HttpRequest, hours: Hours = 0, host: str = "", points: Points = 720) -> Any:
    """This machine's figures, then those of all machines of hosts.yaml; `hours` adds the past of one of them."""
    found = machines.now(settings.WORLD, settings.REALM)
    past = machines.history(settings.WORLD, host, hours, points=points) if hours else None
    return figures(found) | ({"history": past} if past else {})


@router.get("/energy", response=EnergyUsed)
def energy_used(request: HttpRequest, limit: Annotated[int, Field(ge=1, le=100)] = 50) -> Any:
    """Watt-hours of the newest battles and of the levels won last, as far as sensors told of them."""
    world, config = settings.WORLD, settings.REALM
    return {
        "price_per_kwh": config.price_per_kwh,
        "battles": energy.battles(world, config, most=limit),
        "levels": energy.levels(world, config, most=limit),
    }
