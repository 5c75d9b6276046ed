"""A service's log as events, one a line, as realm.logs.reading finds them, whatever rotates meanwhile."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from realm.logs import reading
from realm.logs.line import LogLine
from realm.logs.reading import Follower, Wanted
from realm.logs.sources import source_of
from realm.world import World
from watchtower.streams.feed import Event
from watchtower.streams.sse import encoded

LOOK_SECONDS = 0.25
MOST_LINES = 1000
_BEGINNING = "0-0"
"""Of what there is: no file has that number."""


@dataclass(frozen=True)
class Place:
    cursor: str = ""
    """Of the last line; empty before the first."""
    is_end: ClassVar[bool] = False

    def __str__(self) -> str:
        return self.cursor

    @classmethod
    def read(cls, text: str) -> Place:
        """Of an event's id. Raises ValueError."""
        inode, _, offset = text.partition("-")
        if not (inode.isdecimal() and offset.isdecimal() and len(text) <= 50):
            raise ValueError(f"since: an event's id is expected, not {text[:40]!r}")
        return cls(text)


class Log:
    look_seconds = LOOK_SECONDS
    is_over = False

    def __init__(self, world: World, service: str, *, level: str, text: str) -> None:
        """Raises NoSuchLog."""
        self.key = ("log", world, service, level, text)
        self._world, self._service, self._level, self._text = world, service, level, text
        source_of(world, service)
        self._wanted = Wanted(level=level, text=text)
        self._seen = (Place(), "")

    def newest(self) -> Place:
        lines = reading.tail(self._world, self._service, limit=1).lines
        return Place(lines[-1].cursor) if lines else Place()

    def before(self, lines: int) -> Place:
        """The place before the last so many lines that fit."""
        last = reading.tail(self._world, self._service, level=self._level, text=self._text, limit=lines + 1).lines
        return Place(last[0].cursor) if len(last) > lines else Place(_BEGINNING) if lines else self.newest()

    def read(self, after: Place, until: Place | None) -> Sequence[Event[Place]]:
        if until is None:
            return self._new(after)
        told = list(self._gap(after))
        place = told[-1].place if told else after
        with Follower(
            self._world, self._service, after=place.cursor or _BEGINNING, level=self._level, text=self._text
        ) as follower:
            return [*told, *map(self._line, follower.read(MOST_LINES))]

    def _new(self, after: Place) -> Sequence[Event[Place]]:
        """Lines that do not fit are read once, though the client's place stays before them."""
        seen = self._seen[1] if self._seen[0] == after else after.cursor
        with Follower(self._world, self._service, after=seen or _BEGINNING) as follower:
            lines = follower.read(MOST_LINES)
        told = [self._line(line) for line in lines if self._wanted(line)]
        self._seen = (told[-1].place if told else after, lines[-1].cursor if lines else seen)
        return told

    def _gap(self, after: Place) -> Iterator[Event[Place]]:
        """Where the file of that line is gone, as old ones go after some days."""
        inode = after.cursor.partition("-")[0]
        if inode in ("", "0"):
            return
        for path in source_of(self._world, self._service).files():
            with suppress(OSError):
                if str(path.stat().st_ino) == inode:
                    return
        yield self._event("gap", Place(_BEGINNING), {"of": "lines", "from": after.cursor})

    def _line(self, line: LogLine) -> Event[Place]:
        return self._event("line", Place(line.cursor), asdict(line))

    def _event(self, name: str, place: Place, data: dict[str, Any]) -> Event[Place]:
        return Event(place, encoded(name, str(place), {"type": name, "service": self._service} | data))
