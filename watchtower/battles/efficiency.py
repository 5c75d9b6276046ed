"""What a level costs: tokens, seconds and watt-hours for each level won, by quest, skill and recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from arena.models import Battle
from realm.world import World
from watchtower.battles import deeds, figures
from watchtower.battles.deeds import Deeds
from watchtower.battles.figures import Figures

MOST_BATTLES = 1000
"""The newest, of which it is reckoned."""
NO_SKILL = "own quests"


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Of a group of battles; a part that was not measured for all of them is None, not guessed."""

    name: str
    battles: int
    levels_won: int
    levels_lost: int
    tokens: int
    seconds: float
    """With saving, scoring and answering, without rests."""
    watt_hours: float | None
    tokens_per_level: float | None
    """None where no level was won."""
    seconds_per_level: float | None
    watt_hours_per_level: float | None


@dataclass(frozen=True, kw_only=True)
class Efficiency:
    battles: int
    """Of which something was measured."""
    total: Cost
    skills: tuple[Cost, ...]
    recipes: tuple[Cost, ...]
    quests: tuple[Cost, ...]
    """Those that won a level, the newest first."""


Measured = tuple[Battle, Figures, Deeds]


def efficiency(world: World, *, most: int = MOST_BATTLES) -> Efficiency:
    """Of the newest battles of which something was measured, deleted ones among them."""
    rows = list(Battle.objects.select_related("quest", "record").order_by("-id")[:most])
    return of_rows(measured(world, rows))


def measured(world: World, rows: Sequence[Battle]) -> list[Measured]:
    done = deeds.of_battles([row.battle_id for row in rows])
    found = [(row, figures.of_battle(world, row), done.get(row.battle_id, deeds.NONE)) for row in rows]
    return [(row, of, did) for row, of, did in found if of is not None and of.steps]


def of_rows(rows: Sequence[Measured]) -> Efficiency:
    quests = _grouped(rows, lambda battle, of: battle.quest.name)
    return Efficiency(
        battles=len(rows),
        total=cost("all", rows),
        skills=_grouped(rows, lambda battle, of: battle.quest.skill or NO_SKILL),
        recipes=_grouped(rows, lambda battle, of: of.recipe),
        quests=tuple(one for one in quests if one.levels_won),
    )


def _grouped(rows: Sequence[Measured], name: Callable[[Battle, Figures], str]) -> tuple[Cost, ...]:
    groups: dict[str, list[Measured]] = {}
    for row in rows:
        groups.setdefault(name(row[0], row[1]), []).append(row)
    return tuple(cost(key, group) for key, group in groups.items())


def cost(name: str, rows: Sequence[Measured]) -> Cost:
    tokens = sum(of.tokens for _, of, _ in rows)
    seconds = sum(of.active_seconds for _, of, _ in rows)
    energies = [of.watt_hours for _, of, _ in rows]
    known = [energy for energy in energies if energy is not None]
    energy = sum(known) if known and len(known) == len(rows) else None
    won = sum(len(did.won) for *_, did in rows)
    return Cost(
        name=name, battles=len(rows), levels_won=won, levels_lost=sum(len(did.lost) for *_, did in rows),
        tokens=tokens, seconds=seconds, watt_hours=energy,
        tokens_per_level=tokens / won if won else None,
        seconds_per_level=seconds / won if won else None,
        watt_hours_per_level=energy / won if won and energy is not None else None,
    )  # fmt: skip
