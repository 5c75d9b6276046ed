"""What is loaded: one table, under a memory budget. Touched only from the event loop's thread, so it needs no lock.

A reply is written from the object that its request took from the table. Taking a model out of the table lets no new
request have it; those that have it end with it, and its memory counts until they have.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from arena.oracle.trouble import NoRoom, NotLoaded
from realm.oracle.wire import RealmModel

if TYPE_CHECKING:
    from arena.oracle.loading import Base, BaseKey, LoadedModel, Plan

_GB = 10**9


@dataclass(eq=False)
class Place:
    """A loaded model and how it is used."""

    model: LoadedModel
    loaded_at: datetime = field(default_factory=lambda: datetime.now().astimezone())
    answers: int = 0
    users: int = 0
    used: int = 0
    """Rises with each use of any model: the smallest was used longest ago."""


class Shelf:
    def __init__(self, budget_bytes: int) -> None:
        self.budget_bytes = budget_bytes
        self._places: dict[str, Place] = {}
        self._leaving: set[Place] = set()
        self._uses = 0

    @property
    def places(self) -> list[Place]:
        return list(self._places.values())

    @property
    def memory_bytes(self) -> int:
        return sum(base.memory_bytes for base in self._bases().values()) + sum(
            place.model.own_bytes for place in self._alive()
        )

    @property
    def busy(self) -> bool:
        return any(place.users for place in self._alive())

    def find(self, model_id: str) -> Place | None:
        return self._places.get(model_id)

    def get(self, model_id: str) -> Place:
        """Raises NotLoaded."""
        place = self._places.get(model_id)
        if place is None:
            raise self._not_loaded(model_id)
        return place

    def base(self, key: BaseKey) -> Base | None:
        return self._bases().get(key)

    def base_keys(self) -> set[BaseKey]:
        return set(self._bases())

    @contextmanager
    def using(self, model_id: str) -> Iterator[LoadedModel]:
        """The model for one request. Raises NotLoaded."""
        place = self.get(model_id)
        place.users += 1
        self._touch(place)
        try:
            yield place.model
            place.answers += 1
        finally:
            place.users -= 1
            self._touch(place)
            if not place.users and place in self._leaving:
                self._leaving.remove(place)
                _free()

    def put(self, model: LoadedModel) -> Place:
        place = self._places[model.id] = Place(model)
        self._touch(place)
        return place

    def take(self, model_id: str) -> Place:
        """Out of the table at once. Raises NotLoaded."""
        place = self.get(model_id)
        del self._places[model_id]
        if place.users:
            self._leaving.add(place)
        else:
            _free()
        return place

    def make_room(self, plan: Plan) -> None:
        """Unload idle models until the planned one fits. Raises NoRoom where it cannot, and then unloads none.

        Those go first that were used longest ago; those last that stand on the very base that is needed.
        """
        idle = [place for place in self._by_age() if not place.users]
        idle.sort(key=lambda place: place.model.base.key == plan.base_key)
        kept = [place for place in self._alive() if place.users]
        if _needed(plan, kept) + _held(kept) > self.budget_bytes:
            raise NoRoom(self._told(plan, kept))
        for place in idle:
            if self._lacking(plan) <= 0:
                return
            self.take(place.model.id)

    def _lacking(self, plan: Plan) -> int:
        alive = self._alive()
        return _needed(plan, alive) + _held(alive) - self.budget_bytes

    def _told(self, plan: Plan, kept: list[Place]) -> str:
        answering = f", beside {_gigabytes(_held(kept))} of models that are answering" if kept else ""
        return (
            f"{plan.entry.id} takes {_gigabytes(_needed(plan, kept))} of memory{answering}, and this host has "
            f"{_gigabytes(self.budget_bytes)}: raise oracle_memory_gb and start the host anew, or load a smaller one"
        )

    def _by_age(self) -> list[Place]:
        return sorted(self._places.values(), key=lambda place: place.used)

    def _alive(self) -> list[Place]:
        return [*self._places.values(), *self._leaving]

    def _bases(self) -> dict[BaseKey, Base]:
        return {place.model.base.key: place.model.base for place in self._alive()}

    def _touch(self, place: Place) -> None:
        self._uses += 1
        place.used = self._uses

    def _not_loaded(self, model_id: str) -> NotLoaded:
        hero = model_id.partition("/")[0]
        steps = sorted({p.model.step for p in self._places.values() if p.model.hero == hero}, reverse=True)
        loaded = ", ".join(sorted(self._places)) or "none"
        return NotLoaded(f"The model {model_id!r} is not loaded. Loaded: {loaded}", available=steps)


def described(place: Place) -> dict[str, Any]:
    model = place.model
    return RealmModel.model_validate(model).model_dump() | {
        "mode": model.mode,
        "memory_bytes": model.own_bytes + model.base.memory_bytes,
        "own_bytes": model.own_bytes,
        "shared_bytes": model.base.memory_bytes,
        "context": model.context,
        "loaded_at": place.loaded_at.isoformat(timespec="seconds"),
        "answers": place.answers,
    }


def _held(places: list[Place]) -> int:
    bases = {place.model.base.key: place.model.base.memory_bytes for place in places}
    return sum(bases.values()) + sum(place.model.own_bytes for place in places)


def _needed(plan: Plan, places: list[Place]) -> int:
    """Bytes beside those of `places`."""
    shared = any(place.model.base.key == plan.base_key for place in places)
    return plan.own_bytes + (0 if shared else plan.base_bytes)


def _gigabytes(size: int) -> str:
    return f"{size / _GB:.3g} GB"


def _free() -> None:
    """Modules refer to each other in circles: memory that nobody holds would wait for a collection."""
    gc.collect()
