"""A run of the guild as events: forging, a trial, a sparring. What it said, and how far it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from guild.models import Run
from guild.work import runs
from realm import strict
from vault.errors import NotFound
from watchtower.streams.feed import Event
from watchtower.streams.sse import encoded

LOOK_SECONDS = 0.5
_LARGEST = 2**63 - 1


@dataclass(frozen=True)
class Place:
    seq: int = 0
    """Of the last message."""
    done: int = 0
    is_end: bool = False

    def __str__(self) -> str:
        return f"{self.seq}-{self.done}{'-end' if self.is_end else ''}"

    @classmethod
    def read(cls, text: str) -> Place:
        """Of an event's id, or of a message's number alone. Raises ValueError."""
        seq, dash, done = text.removesuffix("-end").partition("-")
        numbers = [strict.whole_number(word, most=_LARGEST) for word in ((seq, done) if dash else (seq, "0"))]
        if None in numbers:
            raise ValueError(f"since: an event's id or a message's number is expected, not {text[:40]!r}")
        return cls(int(numbers[0] or 0), int(numbers[1] or 0), text.endswith("-end"))


class GuildRun:
    look_seconds = LOOK_SECONDS

    def __init__(self, kind: Run.Kind, number: int) -> None:
        """Raises NotFound."""
        self.key = ("run", kind, number)
        self._kind, self._number = kind, number
        self._row()

    @property
    def is_over(self) -> bool:
        return self._row().is_over

    def newest(self) -> Place:
        return Place()

    def read(self, after: Place, until: Place | None) -> Sequence[Event[Place]]:
        runs.settle_dead()
        run = self._row()
        place, told = after, []
        said = run.results.get("events", [])
        if said and said[-1]["seq"] < after.seq:
            place = Place()
            told.append(self._event("rewound", place, {"seq": 0}))
        for each in said:
            if each["seq"] <= place.seq:
                continue
            if each["seq"] > place.seq + 1:
                missing = replace(place, seq=each["seq"] - 1)
                told.append(self._event("gap", missing, {"of": "events", "from": place.seq + 1, "to": missing.seq}))
            place = replace(place, seq=each["seq"], done=each["done"])
            told.append(self._event("message", place, each))
        if run.progress_done != place.done:
            place = replace(place, done=run.progress_done)
            told.append(self._event("progress", place, _progress(run)))
        if not told and run.is_over:
            ended = {"state": run.state, "message": run.message, "results": runs.results(run)}
            told.append(self._event("end", replace(place, is_end=True), _progress(run) | ended))
        return told

    def _row(self) -> Run:
        run = Run.objects.filter(pk=self._number, kind=self._kind).first()
        if run is None:
            raise NotFound(f"There is no {self._kind.label.lower()} {self._number}")
        return run

    def _event(self, name: str, place: Place, data: dict[str, Any]) -> Event[Place]:
        return Event(place, encoded(name, str(place), {"type": name, "run": self._number} | data))


def _progress(run: Run) -> dict[str, Any]:
    fraction = run.progress_done / run.progress_total if run.progress_total else None
    return {"state": run.state, "done": run.progress_done, "total": run.progress_total, "fraction": fraction}
