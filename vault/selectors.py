"""Checkpoints that are listed and lie on disk: a row whose folder is gone is passed over, scanned or not.

The newest, the best and the one of a step are those of what the hero has come from: of its active branch's line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from django.db.models import QuerySet

from guild.champion import crown
from guild.champion.candidates import asked_names
from realm.branch_rows import branches_of, on_line
from realm.checkpoints.sidecar import SIDECAR
from realm.world import World
from vault.models import Checkpoint


def list_checkpoints(
    world: World,
    hero: str,
    *,
    limit: int | None = None,
    offset: int | None = None,
    only: Mapping[str, str] | None = None,
) -> list[Checkpoint]:
    """Of every branch, newest first; `only` names fields of the rows and what stands in them.

    With `offset` those of that page of the ledger, of which some may be gone: no other page is gone through for it.
    """
    rows = Checkpoint.objects.filter(hero=hero, **(only or {})).order_by(*_newest(hero))
    if offset is not None:
        return list(on_disk(world, rows[offset : None if limit is None else offset + limit]))
    return list(islice(on_disk(world, rows), limit))


def _newest(hero: str) -> tuple[str, ...]:
    """By time, once there are branches: the steps of one that was left may be the higher ones."""
    by_step = ("-step", "-name")
    return ("-created_at", *by_step) if branches_of(hero).branches else by_step


def list_line(world: World, hero: str, branch: str | None = None) -> list[Checkpoint]:
    """On the line of `branch`, or of the active one; newest first."""
    return list(walk_line(world, hero, branch))


def walk_line(world: World, hero: str, branch: str | None = None) -> Iterator[Checkpoint]:
    """As `list_line`, for who needs the first few of a hundred thousand."""
    return on_disk(world, _of_line(hero, branch))


def newest_checkpoint(world: World, hero: str) -> Checkpoint | None:
    return next(walk_line(world, hero), None)


def checkpoint_at(world: World, hero: str, step: int) -> Checkpoint | None:
    return next(on_disk(world, _of_line(hero).filter(step=step)), None)


def checkpoint_named(world: World, hero: str, name: str) -> Checkpoint | None:
    """On any branch."""
    return next(on_disk(world, Checkpoint.objects.filter(hero=hero, name=name)), None)


def best_checkpoint(
    world: World, hero: str, metric: str = "train_loss", *, branch: str | None = None
) -> Checkpoint | None:
    """The lowest loss, most levels held or most right answers, the older one of equals; None while none was measured.

    Metrics are those of guild.champion.rule; losses compare over the same rows only. Raises ValueError for another.
    """
    mine = _of_line(hero, branch)
    if metric == "train_loss":
        mine = mine.filter(train_loss__isnull=False).order_by("train_loss", "step", "name")
    elif metric == "val_loss" and (scored := _over_one_set(hero, mine)) is not None:
        mine = scored.order_by("val_loss", "step", "name")
    else:
        mine = mine.filter(name=crown.best(world, hero, metric, branch=branch))
    return next(on_disk(world, mine), None)


def _over_one_set(hero: str, rows: QuerySet[Checkpoint]) -> QuerySet[Checkpoint] | None:
    """Those that were scored, where all were over the same rows: the lowest is the best, no sidecar has to be read.

    None where sets differ.
    """
    scored = rows.filter(val_loss__isnull=False).exclude(name__in=asked_names(hero))
    named = scored.exclude(val_set_sha256="").order_by("val_set_sha256").values_list("val_set_sha256", flat=True)
    first, last = named.first(), named.last()
    return scored.filter(val_set_sha256=first or "") if first == last else None


def _of_line(hero: str, branch: str | None = None) -> QuerySet[Checkpoint]:
    return Checkpoint.objects.filter(on_line(hero, branch, name="name"), hero=hero).order_by("-step", "-name")


def on_disk(world: World, rows: QuerySet[Checkpoint]) -> Iterator[Checkpoint]:
    return (row for row in rows.iterator(chunk_size=100) if (world.heroes / row.hero / row.name / SIDECAR).exists())
