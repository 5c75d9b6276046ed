"""The hero's past as achievements ask it: entries of the chronicle that are its own, checkpoints, battles."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from arena.models import Battle, ChronicleEntry
from guild.models import Evaluation
from realm.world import World
from vault.models import Checkpoint
from vault.selectors import newest_checkpoint
from watchtower.achievements.record import Proof
from watchtower.hero import living_steps


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How far it is, and once the goal is reached the moment that proves it."""

    value: float
    proof: Proof | None = None


NOTHING = Reading(value=0)
Which = Callable[[ChronicleEntry], bool]


class Past:
    """Of one hero; made anew for each evaluation."""

    def __init__(self, world: World, hero: str) -> None:
        self.world, self.hero = world, hero

    @cached_property
    def _battles_of_others(self) -> set[str]:
        return set(Battle.objects.exclude(hero=self.hero).values_list("battle_id", flat=True))

    @cached_property
    def _evaluations_of_others(self) -> set[int]:
        return set(Evaluation.objects.exclude(hero=self.hero).values_list("id", flat=True))

    @cached_property
    def xp(self) -> int:
        return living_steps(self.world, self.hero) or 0

    @cached_property
    def newest(self) -> Checkpoint | None:
        return newest_checkpoint(self.world, self.hero)

    @property
    def battles(self) -> Any:
        """Oldest first."""
        return Battle.objects.filter(hero=self.hero).select_related("quest").order_by("started_at", "id")

    @property
    def checkpoints(self) -> Any:
        """Oldest first."""
        return Checkpoint.objects.filter(hero=self.hero).order_by("created_at", "step")

    def entries(self, *kinds: str, **which: Any) -> Iterator[ChronicleEntry]:
        """Of these kinds, the oldest first, that the database finds by `which`; those of other heroes are left out."""
        for entry in ChronicleEntry.objects.filter(kind__in=kinds, **which).order_by("time", "id").iterator():
            if self._is_own(entry):
                yield entry

    def _is_own(self, entry: ChronicleEntry) -> bool:
        """What came through the queue names no battle: its number is that of the evaluation."""
        if entry.source.startswith("evaluation:"):
            return entry.source_seq not in self._evaluations_of_others
        return battle_of(entry) not in self._battles_of_others

    def count(self, kind: str, goal: int, which: Which = lambda entry: True) -> Reading:
        """How many entries there are, counted up to `goal`; the one that reached it proves it."""
        found = list(islice(filter(which, self.entries(kind)), goal))
        return Reading(value=len(found), proof=self.proof(found[-1]) if len(found) == goal else None)

    def proof(self, entry: ChronicleEntry) -> Proof:
        data: dict[str, Any] = entry.data
        name = data.get("name") or data.get("checkpoint") or ""
        return Proof(
            at=entry.time.timestamp(),
            said=entry.message,
            source=entry.source,
            source_seq=entry.source_seq,
            battle=battle_of(entry) if data.get("battle") else "",
            step=entry.step or None,
            checkpoint=name,
            sha256=self._digest(name) if name else "",
        )

    def proof_by(self, row: Checkpoint, said: str) -> Proof:
        return Proof(
            at=row.created_at.timestamp(),
            said=said,
            battle=row.battle,
            step=row.step,
            checkpoint=row.name,
            sha256=row.sidecar_sha256,
        )

    def _digest(self, name: str) -> str:
        found = Checkpoint.objects.filter(hero=self.hero, name=name).values_list("sidecar_sha256", flat=True)
        return found.first() or ""


def battle_of(entry: ChronicleEntry) -> str:
    """Older entries name it in their source alone."""
    return str(entry.data.get("battle") or entry.source.partition(":")[0])
