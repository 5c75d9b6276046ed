"""What the last levels and battles have cost in energy, as far as sensors told it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from realm.config import RealmConfig
from realm.world import World
from tavern.formatting import fixed
from watchtower.machines import energy
from watchtower.machines.energy import Energy

MOST = 6


@dataclass(frozen=True, kw_only=True)
class Cost:
    name: str
    said: str
    """Watt-hours, money where a price is set, and how much of the training was measured."""


def read_costs(world: World, config: RealmConfig) -> list[Cost]:
    """Of the levels won last and the newest battles; empty where no sensor told anything. Raises DatabaseError."""
    levels = energy.levels(world, config, most=MOST)
    battles = energy.battles(world, config, most=MOST)
    named = [(f"{level.name} level {level.level}", level.energy) for level in levels]
    return list(_measured([*named, *((battle.quest, battle.energy) for battle in battles)]))


def _measured(costs: list[tuple[str, Energy]]) -> Iterator[Cost]:
    for name, of in costs:
        if of.watt_hours is not None:
            yield Cost(name=name, said=_said(of, of.watt_hours))


def _said(of: Energy, watt_hours: float) -> str:
    parts = [f"{fixed(watt_hours, 1)} Wh"]
    if of.price is not None:
        parts.append(f"{fixed(of.price, 2)} in money")
    if of.covered is not None and of.covered < 0.99:
        parts.append(f"measured over {fixed(of.covered * 100, 0)}% of the time")
    return ", ".join(parts)
