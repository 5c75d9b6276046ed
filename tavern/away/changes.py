"""What the realm was at a moment, as far as the report on return compares it with now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import numpy as np

from arena import steps
from arena.models import Battle
from realm.world import World
from vault.models import Checkpoint
from watchtower.hero import living_steps
from watchtower.machines.day import HERE, read

_DISK_POINTS = 720


@dataclass(frozen=True, kw_only=True)
class Pair:
    before: float | None
    after: float | None

    @property
    def known(self) -> bool:
        return self.before is not None and self.after is not None


def steps_of(world: World, hero: str, since: datetime) -> Pair:
    """Training steps of the hero's life, then and now."""
    return Pair(before=_steps_at(world, hero, since), after=living_steps(world, hero) or 0)


def _steps_at(world: World, hero: str, moment: datetime) -> int:
    """By the battle that was begun last before, and the newest checkpoint of before, whichever is later."""
    row = Checkpoint.objects.filter(hero=hero, created_at__lte=moment).order_by("-created_at").first()
    saved = row.step if row else 0
    battle = Battle.objects.filter(hero=hero, started_at__lte=moment).order_by("-started_at", "-id").first()
    if battle is None:
        return saved
    path = steps.path_of(world, battle.battle_id)
    records = steps.read(path, 0, steps.count(path))
    before = records[np.ascontiguousarray(records["time"]) <= moment.timestamp()]
    return max(saved, int(before["step"][-1])) if len(before) else saved


def validation_loss_of(hero: str, since: datetime) -> Pair:
    """Of the newest scored checkpoints, then and now, over one and the same set; unknown where the sets differ."""
    scored = Checkpoint.objects.filter(hero=hero, val_loss__isnull=False).exclude(val_set_sha256="")
    now = scored.order_by("-created_at", "-step").first()
    if now is None:
        return Pair(before=None, after=None)
    same = scored.filter(val_set_sha256=now.val_set_sha256, created_at__lte=since)
    then = same.order_by("-created_at", "-step").first()
    return Pair(before=then.val_loss if then else None, after=now.val_loss)


def free_disk_of(world: World, since: datetime, until: datetime) -> Pair:
    """Free bytes as they were measured; unknown beyond the last day, of which alone they are kept."""
    hours = (until - since).total_seconds() / 3600
    if hours > 24:
        return Pair(before=None, after=None)
    found = read(world, HERE, hours=hours, points=_DISK_POINTS, now=until.timestamp()).series["disk_free_bytes"]
    told = [value for value in found if value is not None]
    return Pair(before=told[0], after=told[-1]) if told else Pair(before=None, after=None)
