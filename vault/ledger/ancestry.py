"""Where a checkpoint comes from: the listed ones before it on its branch's line, to the base model."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

from django.db.models import Q, QuerySet

from realm.branch_rows import on_line
from realm.checkpoints.sidecar import Sidecar
from realm.world import World
from vault.models import Checkpoint
from vault.selectors import on_disk

SHOWN = 10


@dataclass(frozen=True, kw_only=True)
class Ancestry:
    ancestors: tuple[str, ...]
    """Names, the nearest first, SHOWN at most."""
    more: int
    """Listed ones before those."""
    parent: str | None
    """The one that it was trained from; None: the base model."""
    parent_made_room: bool
    """Whether the parent no longer lies here."""
    base_model: str
    """Where it began."""


@dataclass(frozen=True)
class Place:
    """Of a checkpoint among all of its hero, listed or not."""

    branch: str
    step: int
    name: str


def place(saved: Sidecar) -> Place:
    return Place(saved.branch, saved.step, saved.name)


def ancestry(world: World, saved: Sidecar) -> Ancestry:
    before = _up_to(saved.hero, place(saved)).exclude(name=saved.name)
    names = tuple(row.name for row in islice(on_disk(world, before), SHOWN))
    return Ancestry(
        ancestors=names,
        more=max(0, before.count() - len(names)),
        parent=saved.parent,
        parent_made_room=bool(saved.parent) and not (world.heroes / saved.hero / str(saved.parent)).is_dir(),
        base_model=saved.base_model,
    )


def common_ancestor(world: World, hero: str, a: Place, b: Place) -> Checkpoint | None:
    """The newest listed checkpoint that both come from, or one of them where the other comes from it.

    None: they have the base model in common, or what they came from has made room.
    """
    return next(on_disk(world, _up_to(hero, a) & _up_to(hero, b)), None)


def _up_to(hero: str, last: Place) -> QuerySet[Checkpoint]:
    """The newest first; the last one itself with it."""
    at_most = Q(step__lt=last.step) | Q(step=last.step, name__lte=last.name)
    return Checkpoint.objects.filter(on_line(hero, last.branch, name="name"), at_most, hero=hero).order_by(
        "-step", "-name"
    )
