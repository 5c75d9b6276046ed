"""Checkpoints that are listed and lie on disk: a row whose folder is gone is passed over, scanned or not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from django.db.models import F, QuerySet

from guild.champion import crown
from realm.checkpoints.sidecar import SIDECAR
from realm.world import World
from vault.models import Checkpoint


def list_checkpoints(world: World, hero: str, *, limit: int | None = None) -> list[Checkpoint]:
    """Newest first."""
    return list(islice(_on_disk(world, _newest_first(hero)), limit))


def newest_checkpoint(world: World, hero: str) -> Checkpoint | None:
    return next(_on_disk(world, _newest_first(hero)), None)


def checkpoint_at(world: World, hero: str, step: int) -> Checkpoint | None:
    return next(_on_disk(world, _newest_first(hero).filter(step=step)), None)


def best_checkpoint(world: World, hero: str, metric: str = "train_loss") -> Checkpoint | None:
    """The lowest loss, most levels held or most right answers, the older one of equals; None while none was measured.

    Metrics are those of guild.champion.rule; losses compare over the same rows only. Raises ValueError for another.
    """
    mine = Checkpoint.objects.filter(hero=hero)
    if metric == "train_loss":
        mine = mine.filter(train_loss__isnull=False).order_by(F("train_loss"), "step", "name")
    else:
        mine = mine.filter(name=crown.best(world, hero, metric))
    return next(_on_disk(world, mine), None)


def _newest_first(hero: str) -> QuerySet[Checkpoint]:
    return Checkpoint.objects.filter(hero=hero).order_by("-step", "-name")


def _on_disk(world: World, rows: QuerySet[Checkpoint]) -> Iterator[Checkpoint]:
    return (row for row in rows.iterator(chunk_size=100) if (world.heroes / row.hero / row.name / SIDECAR).exists())
