"""What deleting checkpoints would cost, before anybody says yes: why some stay, what only they hold, what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from django.db.models import Exists, F, OuterRef, QuerySet

from guild.champion.rule import spelled
from guild.evaluation.progression import ENOUGH_ACCURACY
from guild.models import Evaluation
from realm.world import World
from tavern.vault.orders import Chosen
from vault.models import Checkpoint, Location
from vault.treasury import safety


@dataclass(frozen=True, kw_only=True)
class Leaving:
    one: Chosen
    size_bytes: int
    stays: tuple[str, ...]
    """Why it can not be deleted; empty: it can."""
    but: tuple[str, ...]
    """What a rule would have kept it for."""
    copies: tuple[str, ...]
    """Strongholds with another copy of it."""

    @property
    def key(self) -> str:
        return f"{self.one.hero}/{self.one.name}"


@dataclass(frozen=True, kw_only=True)
class Farewell:
    all: tuple[Leaving, ...]
    levels: str
    """Held by none that stays; empty: none."""

    @property
    def going(self) -> list[Leaving]:
        return [one for one in self.all if not one.stays]

    @property
    def staying(self) -> list[Leaving]:
        return [one for one in self.all if one.stays]

    @property
    def size_bytes(self) -> int:
        return sum(one.size_bytes for one in self.going)

    @property
    def last_copies(self) -> int:
        """Of how many there is no other copy."""
        return sum(not one.copies for one in self.going)


def farewell(world: World, found: Sequence[Chosen]) -> Farewell:
    """Of checkpoints of one hero. Raises Refused where its marks cannot be read."""
    hero, names = found[0].hero, [one.name for one in found]
    reasons = [one for one in safety.reasons(world, hero, leaving=names) if one.name in names]
    must = safety.by_name(one for one in reasons if one.for_everybody)
    rules = safety.by_name(one for one in reasons if not one.for_everybody)
    sizes = dict(Checkpoint.objects.filter(hero=hero, name__in=names).values_list("name", "size_bytes"))
    copies = _copies(found)
    told = [
        Leaving(
            one=one,
            size_bytes=sizes.get(one.name, 0),
            stays=must.get(one.name, ()) if one.name in sizes else ("it is not on the shelf any more",),
            but=rules.get(one.name, ()),
            copies=tuple(copies.get(one.asset_id, ())),
        )
        for one in found
    ]
    going = [one.one.name for one in told if not one.stays]
    return Farewell(all=tuple(told), levels=spelled(_held_by_none_else(hero, going)))


def _copies(found: Sequence[Chosen]) -> dict[str, list[str]]:
    copies: dict[str, list[str]] = {}
    lying = Location.objects.filter(asset__asset_id__in=[one.asset_id for one in found], state=Location.State.PRESENT)
    for asset_id, stronghold in lying.exclude(stronghold="local").values_list("asset__asset_id", "stronghold"):
        copies.setdefault(asset_id, []).append(stronghold)
    return copies


def _held_by_none_else(hero: str, names: Sequence[str]) -> set[tuple[str, int]]:
    """Levels that a checkpoint of `names` answered well enough, and no other one that lies here."""
    held = Evaluation.objects.filter(hero=hero, correct__gte=F("total") * ENOUGH_ACCURACY)
    here = Checkpoint.objects.filter(hero=hero, name=OuterRef("checkpoint"))
    others = held.exclude(checkpoint__in=names).filter(Exists(here))
    return _levels(held.filter(checkpoint__in=names)) - _levels(others)


def _levels(rows: QuerySet[Evaluation]) -> set[tuple[str, int]]:
    return set(rows.order_by().values_list("skill", "level").distinct())
