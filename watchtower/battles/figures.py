"""The figures of a battle. Of one that is over they are reckoned once and kept in its row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from arena import steps
from arena.history import notes, recipes
from arena.models import Battle, BattleRecord
from arena.protocol import EventKind
from arena.statistics.convergence import validation_points
from arena.statistics.source import BEGINNINGS, NoBattle, Source
from arena.statistics.timing import time_split
from arena.steps import Records, finite
from realm import strict
from realm.strict import BadConfig
from realm.world import World
from watchtower.machines import energy_meter

FIRST_STEPS = 20
"""Over which the loss at the beginning is averaged: that of one step says little."""
_OVER = (Battle.State.COMPLETED, Battle.State.STOPPED, Battle.State.FAILED)
_JOULES_PER_WH = 3600.0


@dataclass(frozen=True, kw_only=True)
class SetLoss:
    """Over one set of rows that are never trained on; two are of one set only where name, rows and digest agree."""

    name: str
    rows: int | None
    sha256: str | None
    first: float
    best: float
    last: float

    @property
    def key(self) -> tuple[str, int | None, str | None]:
        return self.name, self.rows, self.sha256


@dataclass(frozen=True, kw_only=True)
class Figures:
    """Losses in nats; what was not measured is None."""

    steps: int
    tokens: int
    """Real ones, padding left out."""
    trained_tokens: int
    step_seconds: float
    """Of the steps alone."""
    active_seconds: float
    """With saving, scoring and answering, without rests."""
    first_loss: float | None
    """Mean of the first 20 steps."""
    train_loss: float | None
    """Smoothed, at the end."""
    validation: tuple[SetLoss, ...]
    checkpoints: int
    faults: int
    watt_hours: float | None
    recipe: str
    """What of it is another than shipped, in a line."""
    own_sets: tuple[str, ...] = ()
    """Names of the sets that measure what the quest itself teaches: its held-out rows, or its level."""

    @property
    def headline_loss(self) -> SetLoss | None:
        """The one that stands for the battle: over what its quest teaches, else the first."""
        own = (one for one in self.validation if one.name in self.own_sets)
        return next(own, self.validation[0] if self.validation else None)


def of_battle(world: World, battle: Battle) -> Figures | None:
    """None where nothing was measured, or its files are gone."""
    record = notes.record_of(battle)
    kept = _kept(record.figures)
    if kept is not None and battle.state in _OVER:
        return kept
    try:
        found = of_source(world, battle, Source.of(world, battle.battle_id))
    except NoBattle:
        return None
    if battle.state in _OVER and record.deleted_at is None:
        BattleRecord.objects.update_or_create(battle=battle, defaults={"figures": asdict(found)})
    return found


def of_battles(world: World, battles: Sequence[Battle]) -> dict[str, Figures | None]:
    return {battle.battle_id: of_battle(world, battle) for battle in battles}


def of_source(world: World, battle: Battle, source: Source) -> Figures:
    records = source.records
    joules = energy_meter.joules(source.folder)
    changed = recipes.from_defaults(world, battle)
    return Figures(
        steps=len(records),
        tokens=int(records["tokens"].sum(dtype=np.int64)),
        trained_tokens=int(records["trained_tokens"].sum(dtype=np.int64)),
        step_seconds=round(float(records["step_seconds"].sum(dtype=np.float64)), 3),
        active_seconds=round(time_split(source, records).active, 3),
        first_loss=_first_loss(records),
        train_loss=finite(steps.ema(records["loss"])) if len(records) else None,
        validation=tuple(_validation(source)),
        checkpoints=sum(event.kind == EventKind.CHECKPOINT_SAVED for event in source.events),
        faults=sum(event.kind == EventKind.FAULT for event in source.events),
        watt_hours=None if joules is None else joules / _JOULES_PER_WH,
        recipe=", ".join(f"{one.key} {one.after}" for one in changed or ()) or "as shipped",
        own_sets=_own_sets(battle),
    )


def _own_sets(battle: Battle) -> tuple[str, ...]:
    quest = battle.quest
    return (f"quest/{quest.name}", *([f"{quest.skill}/{quest.level}"] if quest.skill else []))


def _first_loss(records: Records) -> float | None:
    loss = records["loss"][:FIRST_STEPS].astype(np.float64)
    sound = loss[np.isfinite(loss)]
    return finite(float(sound.mean())) if len(sound) else None


def _validation(source: Source) -> list[SetLoss]:
    return [
        SetLoss(
            name=name, rows=rows, sha256=digest,
            first=points[0][1], best=min(loss for _, loss in points), last=points[-1][1],
        )
        for (name, rows, digest), points in validation_points(source).items()
    ]  # fmt: skip


def _kept(value: Any) -> Figures | None:
    """None for what an older release kept, which is reckoned anew."""
    try:
        return strict.read(Figures, value, source="figures") if value else None
    except (BadConfig, TypeError, ValueError):
        return None


def rows_per_step(source: Source) -> float | None:
    """Rows of the quest and of rehearsal that a step saw on average; None where its beginning does not say."""
    begun = source.newest(*BEGINNINGS)
    data = begun.data if begun else {}
    total, own = data.get("total_steps"), data.get("examples")
    if not isinstance(own, int) or not isinstance(total, int) or not total:
        return None
    rehearsed = (data.get("rehearsed") or 0) * (data.get("rehearsal_passes") or 0)
    epochs = source.order.recipe.epochs if source.order else 1
    return float((own + rehearsed) * epochs / total)
