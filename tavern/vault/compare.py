"""Two checkpoints of a hero side by side: what each was measured at, and what each answers."""

from __future__ import annotations

from dataclasses import dataclass

from realm.checkpoints import sidecar
from realm.checkpoints.sidecar import DamagedCheckpoint, Sidecar
from realm.world import World
from tavern import formatting
from tavern.vault.chests import Strip, strips_of
from tavern.vault.orders import Chosen


@dataclass(frozen=True, kw_only=True)
class Loss:
    name: str
    before: float | None
    after: float | None
    rows: int | None

    @property
    def better(self) -> bool | None:
        """None where they do not compare."""
        if self.before is None or self.after is None or self.before == self.after:
            return None
        return self.after < self.before

    @property
    def change(self) -> str:
        if not self.before or self.after is None:
            return formatting.UNKNOWN
        return formatting.deviation(self.after / self.before - 1)


@dataclass(frozen=True, kw_only=True)
class Side:
    one: Chosen
    said: Sidecar
    strips: list[Strip]


@dataclass(frozen=True, kw_only=True)
class Pair:
    before: Side
    after: Side
    losses: list[Loss]
    """Only of what was measured over the same rows."""


def read_pair(world: World, before: Chosen, after: Chosen) -> Pair:
    """Raises DamagedCheckpoint, also for one that does not lie here."""
    strips = strips_of(before.hero, [before.name, after.name])
    ours, theirs = (Side(one=one, said=_read(world, one), strips=strips[one.name]) for one in (before, after))
    return Pair(before=ours, after=theirs, losses=_losses(ours.said, theirs.said))


def _read(world: World, one: Chosen) -> Sidecar:
    try:
        return sidecar.read(world.heroes / one.hero / one.name)
    except OSError as error:
        raise DamagedCheckpoint(f"{one.name}: cannot be read: {error.strerror}") from error


def _losses(ours: Sidecar, theirs: Sidecar) -> list[Loss]:
    found = [Loss(name="train loss", before=ours.train_loss, after=theirs.train_loss, rows=None)]
    if ours.val_set and ours.val_set == theirs.val_set:
        found.append(Loss(name="validation loss", before=ours.val_loss, after=theirs.val_loss, rows=ours.val_set.rows))
    for name, measured in sorted(ours.val_sets.items()):
        if theirs.val_sets.get(name) == measured:
            before, after = ours.val_losses.get(name), theirs.val_losses.get(name)
            found.append(Loss(name=name, before=before, after=after, rows=measured.rows))
    return found
