"""The shelf of chests, a page at a time: 100,000 checkpoints cost no more than 50."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any
from urllib.parse import urlencode

from django.core.paginator import Page, Paginator
from django.db.models import Count, F, Max, Q, QuerySet
from django.http import QueryDict

from guild.champion import crown
from guild.evaluation.progression import ENOUGH_ACCURACY
from guild.models import Evaluation
from realm.config import is_hero_name
from realm.world import World
from vault.models import Asset, Checkpoint, Location

PER_PAGE = 24
MOST_DAMAGED = 500
LONGEST_TEXT = 200
LOCAL = "local"
BRANCHES = "branches"
SORTS = {
    BRANCHES: "branch by branch",
    "age": "newest first",
    "step": "highest step",
    "train_loss": "lowest loss",
    "val_loss": "lowest val loss",
    "levels": "most levels held",
    "size": "largest",
}
SHOWN = {
    "": "all",
    "protected": "protected",
    "champion": "champions",
    "whole": "whole",
    "weights": "weights only",
    "damaged": "damaged",
}
_ORDERS = {
    "age": ("-created_at", "-step", "-name"),
    "step": ("-step", "-name"),
    "size": ("-size_bytes", "-step", "-name"),
}


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the address asks for; what it does not know is left at its default."""

    hero: str
    branch: str = ""
    """`1` is the first one, as people read it; empty: all."""
    skill: str = ""
    show: str = ""
    q: str = ""
    sort: str = BRANCHES
    page: str = "1"

    @classmethod
    def of(cls, query: QueryDict, hero: str) -> Wanted:
        given = {field.name: query.get(field.name, "").strip()[:LONGEST_TEXT] for field in fields(cls)}
        return cls(
            hero=given["hero"] if is_hero_name(given["hero"]) else hero,
            branch=given["branch"],
            skill=given["skill"],
            show=given["show"] if given["show"] in SHOWN else "",
            q=given["q"],
            sort=given["sort"] if given["sort"] in SORTS else BRANCHES,
            page=given["page"] or "1",
        )

    @property
    def branch_name(self) -> str:
        return "" if self.branch == "1" else self.branch

    @property
    def is_all(self) -> bool:
        return not (self.branch or self.skill or self.show or self.q)

    def query(self, **changes: str | int) -> str:
        """For an address of the same shelf, the page left out unless it is among the changes."""
        said = {field.name: getattr(self, field.name) for field in fields(self)} | {"page": ""} | changes
        return urlencode({key: value for key, value in said.items() if value and (key, value) != ("sort", BRANCHES)})

    @property
    def same(self) -> str:
        return self.query(page=self.page)

    @property
    def other_pages(self) -> str:
        """To which a page's number is added."""
        return self.query(page="") + "&page="


class InParts(Sequence[Checkpoint]):
    """One part behind the other; a slice costs what it holds."""

    def __init__(self, parts: Sequence[tuple[QuerySet[Checkpoint] | _Ranked, int]]) -> None:
        self._parts = parts

    def __len__(self) -> int:
        return sum(many for _, many in self._parts)

    def __iter__(self) -> Iterator[Checkpoint]:
        return iter(self[: len(self)])

    def __getitem__(self, part: Any) -> Any:
        start, stop, _ = part.indices(len(self))
        found: list[Checkpoint] = []
        for rows, many in self._parts:
            if start < many and stop > 0:
                found += rows[max(0, start) : min(many, stop)]
            start, stop = start - many, stop - many
        return found


def read_page(world: World, wanted: Wanted, *, branches: Mapping[str, int]) -> Page[Checkpoint]:
    """One page of it; `branches` in the order in which they are shown, with how many each has."""
    rows = matching(world, wanted)
    return Paginator(_ordered(rows, wanted, branches), PER_PAGE).get_page(wanted.page)


def _ordered(rows: QuerySet[Checkpoint], wanted: Wanted, branches: Mapping[str, int]) -> InParts | QuerySet[Checkpoint]:
    if wanted.sort == BRANCHES:
        return _by_branch(rows, branches if wanted.is_all else _counted(rows, branches))
    if wanted.sort == "train_loss":
        return _by_loss(rows, Q(train_loss__isnull=False), wanted.sort)
    if wanted.sort == "val_loss":
        return _by_loss(rows, Q(val_loss__isnull=False, val_set_sha256=_newest_set(wanted.hero)), wanted.sort)
    if wanted.sort == "levels":
        return _by_levels(wanted.hero, rows)
    return rows.order_by(*_ORDERS[wanted.sort])


def _by_branch(rows: QuerySet[Checkpoint], counts: Mapping[str, int]) -> InParts:
    """The newest first in each."""
    newest = rows.order_by("-step", "-name")
    return InParts([(newest.filter(branch=name), many) for name, many in counts.items() if many])


def _counted(rows: QuerySet[Checkpoint], branches: Mapping[str, int]) -> dict[str, int]:
    counted = dict(rows.order_by().values_list("branch").annotate(many=Count("pk")))
    return {name: counted.get(name, 0) for name in branches}


def _by_loss(rows: QuerySet[Checkpoint], measured: Q, field: str) -> InParts:
    """The lowest first; what was not measured, or over another set, comes last in a part of its own, newest first."""
    lowest, others = rows.filter(measured), rows.exclude(measured)
    many = lowest.count()
    # No index counts what is excluded.
    return InParts(
        [(lowest.order_by(field, "step", "name"), many), (others.order_by("-step", "-name"), rows.count() - many)]
    )


def _newest_set(hero: str) -> str:
    """What the newest one was scored over: losses over different sets never compare."""
    scored = Checkpoint.objects.filter(hero=hero, val_loss__isnull=False).order_by("-step", "-name")
    return scored.values_list("val_set_sha256", flat=True).first() or ""


def matching(world: World, wanted: Wanted) -> QuerySet[Checkpoint]:
    chosen = Q(hero=wanted.hero)
    if wanted.branch:
        chosen &= Q(branch=wanted.branch_name)
    if wanted.skill:
        chosen &= Q(skill=wanted.skill)
    if wanted.q:
        chosen &= Q(name__icontains=wanted.q) | Q(quest__icontains=wanted.q)
    if wanted.show:
        chosen &= _shown(world, wanted)
    return Checkpoint.objects.filter(chosen)


def _shown(world: World, wanted: Wanted) -> Q:
    if wanted.show == "champion":
        return Q(name__in=crown.holders(world, wanted.hero))
    if wanted.show == "damaged":
        return Q(name__in=damaged(wanted.hero))
    return {"protected": Q(protected=True), "whole": Q(weights_only=False), "weights": Q(weights_only=True)}[
        wanted.show
    ]


def damaged(hero: str) -> dict[str, str]:
    """Names of the hero's checkpoints whose copy here is damaged, and why."""
    bad = Location.objects.filter(
        stronghold=LOCAL, state=Location.State.DAMAGED, asset__kind=Asset.Kind.CHECKPOINT, asset__hero=hero
    )
    return dict(bad.order_by("-asset__step").values_list("asset__name", "reason")[:MOST_DAMAGED])


def _by_levels(hero: str, rows: QuerySet[Checkpoint]) -> InParts:
    """Most levels held first, then those that hold none; the newer one of equals. Each is counted once, not by row."""
    good = Evaluation.objects.filter(hero=hero, correct__gte=F("total") * ENOUGH_ACCURACY).order_by()
    named = good.values("checkpoint")
    many = rows.filter(name__in=named).count()
    ranked = good.filter(checkpoint__in=rows.order_by().values("name")).values("checkpoint")
    ranked = ranked.annotate(held=Count("pk"), at=Max("step")).order_by("-held", "-at", "-checkpoint")
    others = rows.exclude(name__in=named).order_by("-step", "-name")
    return InParts([(_Ranked(rows, ranked), many), (others, rows.count() - many)])


class _Ranked:
    """Checkpoints in the order of another query over their names."""

    def __init__(self, rows: QuerySet[Checkpoint], ranked: QuerySet[Any, Any]) -> None:
        self._rows, self._ranked = rows, ranked

    def __getitem__(self, part: slice) -> list[Checkpoint]:
        names = list(self._ranked.values_list("checkpoint", flat=True)[part])
        found = {row.name: row for row in self._rows.filter(name__in=names)}
        return [found[name] for name in names if name in found]
