"""What training has cost in energy: of each battle, and of each level won; told only as far as it was measured."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from arena import steps
from arena.models import Battle, ChronicleEntry
from realm.config import RealmConfig
from realm.world import World
from watchtower.machines.energy_meter import DTYPE, FILE
from watchtower.machines.ring import Records

MOST_BATTLES, MOST_LEVELS = 50, 50
_LEVELS = ("skill_level_up", "hero_level_up")
_JOULES_PER_WH = 3600.0
_NONE: Records = np.empty(0, DTYPE)


@dataclass(frozen=True, kw_only=True)
class Energy:
    """Watt-hours are None where no sensor told anything; a part that is not measured is missing, not guessed."""

    watt_hours: float | None
    gpu_watt_hours: float | None
    cpu_watt_hours: float | None
    training_seconds: float
    measured_seconds: float
    covered: float | None
    """Share of the training that was measured, 0 to 1; None where nothing was trained."""
    price: float | None
    """In the currency of `price_per_kwh`; None where that is not set, or nothing was measured."""


@dataclass(frozen=True, kw_only=True)
class BattleEnergy:
    battle: str
    quest: str
    state: str
    energy: Energy


@dataclass(frozen=True, kw_only=True)
class LevelEnergy:
    """Of the training from the level before to this one: of a skill's level, on that skill's quests."""

    name: str
    """The skill, or `hero` for a level of the hero's own."""
    level: int
    """The one that was won."""
    time: float
    energy: Energy


def battles(world: World, config: RealmConfig, *, most: int = MOST_BATTLES) -> list[BattleEnergy]:
    """The newest battles, the newest first."""
    rows = Battle.objects.select_related("quest").order_by("-id")[:most]
    return [
        BattleEnergy(
            battle=row.battle_id,
            quest=row.quest.name,
            state=row.state,
            energy=_energy(world, config, [row.battle_id], 0.0, np.inf),
        )
        for row in rows
    ]


def of_battle(world: World, config: RealmConfig, battle: str) -> Energy:
    """Of all that this battle has trained so far."""
    return _energy(world, config, [battle], 0.0, np.inf)


def levels(world: World, config: RealmConfig, *, most: int = MOST_LEVELS) -> list[LevelEnergy]:
    """The levels won last, the last first."""
    entries = list(ChronicleEntry.objects.filter(kind__in=_LEVELS).order_by("-id")[: most + 1])
    won = [(_name(entry), entry.time.timestamp(), entry) for entry in entries]
    found = []
    for at, (name, until, entry) in enumerate(won[:most]):
        since = next((time for other, time, _ in won[at + 1 :] if other == name), None)
        since = _time_before(entry, name) if since is None else since
        trained = _battles_of(entry, name, since, until)
        energy = _energy(world, config, trained, since, until)
        found.append(LevelEnergy(name=name, level=_won(entry), time=until, energy=energy))
    return found


def _name(entry: ChronicleEntry) -> str:
    return str(entry.data.get("skill") or "") if entry.kind == "skill_level_up" else "hero"


def _won(entry: ChronicleEntry) -> int:
    """Of a skill the entry names the level that begins."""
    level = int(entry.data.get("level") or 0)
    return level - 1 if entry.kind == "skill_level_up" else level


def _time_before(entry: ChronicleEntry, name: str) -> float:
    """When the level before was won, where that is not among the last ones; 0 for a first."""
    earlier = ChronicleEntry.objects.filter(kind=entry.kind, id__lt=entry.id).order_by("-id")
    if name != "hero":
        earlier = earlier.filter(data__skill=name)
    time = earlier.values_list("time", flat=True).first()
    return time.timestamp() if time else 0.0


def _battles_of(entry: ChronicleEntry, name: str, since: float, until: float) -> list[str]:
    began = Battle.objects.filter(started_at__lte=entry.time).order_by("-id")
    of = began.filter(battle_id=entry.data.get("battle", entry.source)).first() or began.first()
    if of is None:
        return []
    rows = Battle.objects.filter(hero=of.hero, branch=of.branch, id__lte=of.id).order_by("-id")
    if name != "hero":
        rows = rows.filter(quest__skill=name)
    found = []
    for battle, ended_at in rows.values_list("battle_id", "ended_at").iterator():
        if ended_at and ended_at.timestamp() < since:
            break
        found.append(battle)
    return found


def _energy(world: World, config: RealmConfig, of: Iterable[str], since: float, until: float) -> Energy:
    folders = [world.battles / battle for battle in of]
    trained = sum(_trained_seconds(folder, since, until) for folder in folders)
    records = np.concatenate([_NONE, *(_records(folder / FILE) for folder in folders)])
    records = records[(records["time"] > since) & (records["time"] <= until)]
    gpu, cpu = _watt_hours(records["gpu_joules"]), _watt_hours(records["cpu_joules"])
    known = [part for part in (gpu, cpu) if part is not None]
    total = sum(known) if known else None
    measured = float(records["seconds"].sum())
    price = config.price_per_kwh
    return Energy(
        watt_hours=total,
        gpu_watt_hours=gpu,
        cpu_watt_hours=cpu,
        training_seconds=trained,
        measured_seconds=measured,
        covered=min(1.0, measured / trained) if trained else None,
        price=total / 1000 * price if total is not None and price is not None else None,
    )


def _watt_hours(joules: npt.NDArray[np.float64]) -> float | None:
    known = joules[np.isfinite(joules)]
    return float(known.sum()) / _JOULES_PER_WH if len(known) else None


def _records(path: Path) -> Records:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _NONE
    return np.frombuffer(data, DTYPE, count=len(data) // DTYPE.itemsize)


def _trained_seconds(folder: Path, since: float, until: float) -> float:
    path = folder / "steps.bin"
    return _sum_of_steps(path, steps.count(path), since, until)


@lru_cache(maxsize=256)
def _sum_of_steps(path: Path, count: int, since: float, until: float) -> float:
    """Of the time that the steps took, without saving and rests between them."""
    records = steps.read(path, 0, count)
    within = (records["time"] > since) & (records["time"] <= until)
    return float(records["step_seconds"][within].astype(np.float64).sum())
