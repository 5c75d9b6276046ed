"""The hero's checkpoints as other code reads them: `get_ledger().get_best().canonical_name`.

Latest, best and the one of a step are of the active branch and what it came from; all are listed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings

from realm.checkpoints.names import step_of_any
from realm.world import World
from vault.models import Checkpoint
from vault.selectors import best_checkpoint, checkpoint_at, list_checkpoints, newest_checkpoint


@dataclass(frozen=True, kw_only=True)
class LedgerEntry:
    canonical_name: str
    hero: str
    step: int
    created_at: datetime
    train_loss: float | None
    val_loss: float | None
    val_set: dict[str, Any] | None
    """What `val_loss` was measured over: `name`, `rows` and `sha256`; None where the sidecar does not say."""
    learning_rate: float
    epoch: int
    skill: str | None
    level: int | None
    quest: str
    parent: str | None
    branch: str
    """Empty: the first."""
    size_bytes: int
    path: Path


@dataclass(frozen=True)
class Ledger:
    """One hero's checkpoints; None where there is none."""

    world: World
    hero: str

    def get_latest(self) -> LedgerEntry | None:
        return self._entry(newest_checkpoint(self.world, self.hero))

    def get_best(self, metric: str = "train_loss") -> LedgerEntry | None:
        """By train_loss, val_loss, levels, accuracy, or a set such as `bin/3`. Raises ValueError for another."""
        return self._entry(best_checkpoint(self.world, self.hero, metric))

    def list_all(self, limit: int | None = 20) -> list[LedgerEntry]:
        """Of every branch, newest first."""
        return [self._to_entry(row) for row in list_checkpoints(self.world, self.hero, limit=limit)]

    def get(self, step: int) -> LedgerEntry | None:
        return self._entry(checkpoint_at(self.world, self.hero, step))

    def _entry(self, row: Checkpoint | None) -> LedgerEntry | None:
        return self._to_entry(row) if row else None

    def _to_entry(self, row: Checkpoint) -> LedgerEntry:
        return LedgerEntry(
            canonical_name=row.name,
            hero=row.hero,
            step=row.step,
            created_at=row.created_at,
            train_loss=row.train_loss,
            val_loss=row.val_loss,
            val_set=row.val_set,
            learning_rate=row.learning_rate,
            epoch=row.epoch,
            skill=row.skill or None,
            level=row.level,
            quest=row.quest,
            parent=row.parent or None,
            branch=row.branch,
            size_bytes=row.size_bytes,
            path=self.world.heroes / row.hero / row.name,
        )


def get_ledger(hero: str | None = None) -> Ledger:
    """The ledger of `hero`, or of the active one."""
    world: World = settings.WORLD
    return Ledger(world, hero or _active_hero(world))


def _active_hero(world: World) -> str:
    if world.current_model.is_symlink():
        return world.current_model.readlink().name
    return str(settings.REALM.hero)


def extract_step(name: str) -> int | None:
    """The step in any checkpoint's name or path, such as `checkpoint-175000`; None for anything else."""
    return step_of_any(name)
