"""One step of a battle: what it measured, which of its rows the hero knew least, and what was told at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.db.models import Q

from arena import worst_rows
from arena.models import Battle, ChronicleEntry
from arena.preview import rows
from arena.protocol import REHEARSAL_FILE
from arena.queue import files as queue
from arena.rows import formats
from arena.rows.model import UnreadableQuest
from arena.statistics import step_slice
from arena.statistics.step_slice import StepPoint
from arena.worst_rows import RowLoss
from realm.strict import BadConfig
from realm.world import World
from vault.models import Checkpoint

MOST_MOMENTS = 1000
QUIET = ("answered", "validated")
"""Kinds of moments that make room first, where a battle has too many."""


class NoSuchStep(LookupError):
    """The battle has no such step; the text says which it has."""


@dataclass(frozen=True, kw_only=True)
class StepRow:
    line: int
    """Of the quest's file, or of the battle's rehearsed rows."""
    rehearsed: bool
    loss: float
    """Mean over its trained tokens, natural log, before the update."""
    text: str
    """In one line, shortened; empty where its file is gone."""


@dataclass(frozen=True, kw_only=True)
class Moment:
    seq: int
    kind: str
    step: int
    time: datetime
    message: str
    data: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class StepReport(StepPoint):
    battle: str
    hero: str
    quest: str
    quest_id: int
    quest_state: str
    total_steps: int | None
    rows: int | None
    """That it trained on; None where the battle did not write it down."""
    worst_rows: list[StepRow]
    """The highest loss first, at most eight of them."""
    previous: int | None
    next: int | None
    moments: list[Moment]

    @property
    def worst(self) -> StepRow | None:
        return self.worst_rows[0] if self.worst_rows else None

    @property
    def damage(self) -> int | None:
        """As the scene shows it."""
        return math.floor(100 / self.loss + 0.5) if self.loss and self.loss > 0 else None

    @property
    def tokens_per_second(self) -> float | None:
        return self.tokens / self.step_seconds if self.step_seconds else None

    @property
    def against_mean(self) -> float | None:
        return None if self.loss is None or self.mean is None else self.loss - self.mean


def step_report(world: World, battle: Battle, step: int) -> StepReport:
    """Raises NoSuchStep."""
    folder = world.battles / battle.battle_id
    point = step_slice.one(folder, step)
    if point is None:
        raise NoSuchStep(_which_there_are(folder, battle, step))
    known = worst_rows.read(folder, step)
    return StepReport(
        **vars(point),
        battle=battle.battle_id,
        hero=battle.hero,
        quest=battle.quest.name,
        quest_id=battle.quest.pk,
        quest_state=battle.quest.state,
        total_steps=battle.total_steps,
        rows=known.rows if known else None,
        worst_rows=_rows(world, battle, known.worst) if known else [],
        previous=_beside(folder, step - 1),
        next=_beside(folder, step + 1),
        moments=moments(battle, step=step),
    )


def moments(battle: Battle, *, step: int | None = None) -> list[Moment]:
    """What was told of the battle and of its checkpoints, by step, or at `step` alone; of very many the loudest."""
    told = Q(source=battle.battle_id) | Q(source__startswith=f"{battle.battle_id}:")
    saved = Checkpoint.objects.filter(battle=battle.battle_id).values("name")
    told |= Q(source__startswith="evaluation:", data__checkpoint__in=saved)
    at = Q() if step is None else Q(step=step)
    entries = ChronicleEntry.objects.filter(told & at).order_by("step", "id")
    if entries.count() > MOST_MOMENTS:
        entries = entries.exclude(kind__in=QUIET)
    return [
        Moment(seq=entry.pk, kind=entry.kind, step=entry.step, time=entry.time, message=entry.message, data=entry.data)
        for entry in entries[:MOST_MOMENTS]
    ]


def _beside(folder: Path, step: int) -> int | None:
    return step if step_slice.one(folder, step) else None


def _which_there_are(folder: Path, battle: Battle, step: int) -> str:
    known = step_slice.read(folder, limit=1)
    if known.first is None:
        return f"{battle.battle_id} has done no step yet"
    return f"{battle.battle_id} has no step {step}; it has steps {known.first} to {known.last} of the hero"


def _rows(world: World, battle: Battle, worst: Sequence[RowLoss]) -> list[StepRow]:
    own = _texts(world, battle, [row.line for row in worst if row.line > 0], rehearsed=False)
    rehearsed = _texts(world, battle, [-row.line for row in worst if row.line < 0], rehearsed=True)
    return [
        StepRow(
            line=abs(row.line),
            rehearsed=row.line < 0,
            loss=round(row.loss, 6),
            text=(rehearsed if row.line < 0 else own).get(abs(row.line), ""),
        )
        for row in worst
    ]


def _texts(world: World, battle: Battle, lines: list[int], *, rehearsed: bool) -> dict[int, str]:
    """By line; of a file that is gone or cannot be read, none."""
    path = row_file(world, battle, rehearsed=rehearsed)
    if path is None or not lines:
        return {}
    try:
        specs = formats.registry(formats.load_declared(world))
        return {row.line: row.text for row in rows.list_lines(path, lines, specs=specs)}
    except (UnreadableQuest, BadConfig, OSError):
        return {}


def row_file(world: World, battle: Battle, *, rehearsed: bool) -> Path | None:
    """The file that a row of the battle stands in; None where it is gone."""
    path = world.battles / battle.battle_id / REHEARSAL_FILE
    if not rehearsed:
        if not battle.quest.file:
            return None
        path = queue.path_of(world, battle.quest)
    return path if path.is_file() else None
