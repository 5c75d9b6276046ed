"""The ledger of this world. Latest, best and the one of a step are of the active branch's line; all are listed."""

from __future__ import annotations

from dataclasses import dataclass

from django.conf import settings

from realm import strict
from realm.world import World
from vault.ledger.entries import LedgerEntry
from vault.models import Checkpoint
from vault.selectors import best_checkpoint, checkpoint_at, checkpoint_named, list_checkpoints, newest_checkpoint


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

    def list_all(self, limit: int | None = 20, *, offset: int = 0) -> list[LedgerEntry]:
        """Of every branch, newest first."""
        rows = list_checkpoints(self.world, self.hero, limit=limit, offset=offset or None)
        return [entry_of(self.world, row) for row in rows]

    def count(self) -> int:
        """How many there are on every branch together."""
        return Checkpoint.objects.filter(hero=self.hero).count()

    def get(self, step: int) -> LedgerEntry | None:
        return self._entry(checkpoint_at(self.world, self.hero, step))

    def find(self, named: str) -> LedgerEntry | None:
        """By canonical name on any branch; by its step, or `checkpoint-STEP`, on the active one, as in every order."""
        step = strict.whole_number(named.removeprefix("checkpoint-"))
        return self.get(step) if step is not None else self._entry(checkpoint_named(self.world, self.hero, named))

    def _entry(self, row: Checkpoint | None) -> LedgerEntry | None:
        return entry_of(self.world, row) if row else None


def entry_of(world: World, row: Checkpoint) -> LedgerEntry:
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
        battle=row.battle,
        parent=row.parent or None,
        branch=row.branch,
        size_bytes=row.size_bytes,
        path=world.heroes / row.hero / row.name,
        protected=row.protected,
        weights_only=row.weights_only,
        verified_at=row.verified_at,
    )


def get_ledger(hero: str | None = None) -> Ledger:
    """The ledger of `hero`, or of the active one."""
    world: World = settings.WORLD
    return Ledger(world, hero or active_hero(world))


def active_hero(world: World) -> str:
    if world.current_model.is_symlink():
        return world.current_model.readlink().name
    return str(settings.REALM.hero)
