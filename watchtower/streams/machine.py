"""The machines as events: figures every two seconds. What was sampled while nobody listened comes as `history`."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from realm import strict
from realm.config import RealmConfig
from realm.management.as_json import plain
from realm.world import World
from watchtower import machines
from watchtower.machines.figures import figures
from watchtower.streams.feed import Event
from watchtower.streams.sse import encoded

LOOK_SECONDS = 2.0
KEPT = 150
_LARGEST = 2**53 - 1
_HISTORY_SECONDS = 10.0
"""Between the samples of a machine's day: a shorter absence has none of them."""
_DAY_MILLISECONDS = 86_400_000


@dataclass(frozen=True)
class Place:
    time_ms: int = 0
    is_end: ClassVar[bool] = False

    def __str__(self) -> str:
        return str(self.time_ms)

    @classmethod
    def read(cls, text: str) -> Place:
        """Of an event's id. Raises ValueError."""
        time_ms = strict.whole_number(text, most=_LARGEST)
        if time_ms is None:
            raise ValueError(f"since: an event's id is expected, milliseconds since 1970, not {text[:40]!r}")
        return cls(time_ms)


class Machines:
    look_seconds = LOOK_SECONDS
    is_over = False

    def __init__(self, world: World, config: RealmConfig) -> None:
        self.key = ("machines", world)
        self._world, self._config = world, config
        self._sampled: deque[Event[Place]] = deque(maxlen=KEPT)

    def newest(self) -> Place:
        return self._sample().place

    def read(self, after: Place, until: Place | None) -> Sequence[Event[Place]]:
        if until is None:
            return [self._sample()]
        if after.time_ms == 0:
            return list(self._sampled)[-1:]
        return [*self._missed(after), *(event for event in self._sampled if event.place.time_ms > after.time_ms)]

    def _missed(self, after: Place) -> Iterator[Event[Place]]:
        """From a time of which nothing is at hand any more."""
        first = self._sampled[0].place.time_ms
        missing = first - after.time_ms
        if missing <= 1000 * _HISTORY_SECONDS:
            return
        if missing > _DAY_MILLISECONDS:
            yield self._event("gap", Place(first - _DAY_MILLISECONDS), {"of": "metrics", "from": after.time_ms})
        hours = (time.time() - after.time_ms / 1000) / 3600
        yield self._event("history", Place(first - 1), asdict(machines.history(self._world, hours=hours)))

    def _sample(self) -> Event[Place]:
        told = figures(machines.now(self._world, self._config))
        event = self._event("metrics", Place(int(1000 * told["time"])), plain(told))
        self._sampled.append(event)
        return event

    def _event(self, name: str, place: Place, data: dict[str, Any]) -> Event[Place]:
        return Event(place, encoded(name, str(place), {"type": name} | data))
