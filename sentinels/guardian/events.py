"""What the guardian did, in `status/guardian.jsonl`: a line an event, the newest MOST_EVENTS of them."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import orjson

from realm import strict
from realm.disk import durable
from realm.world import World

EVENTS_FILE = "guardian.jsonl"
MOST_EVENTS = 500
LONGEST_LINE = 500
Kind = Literal["restarted", "stuck", "gave_up", "recovered", "mended"]
KINDS: tuple[str, ...] = get_args(Kind)


@dataclass(frozen=True, kw_only=True)
class GuardianEvent:
    seq: int
    """Rises, also across restarts and where the file was deleted."""
    time: float
    """In seconds since 1970."""
    kind: Kind
    service: str
    """Empty where it is about all of them."""
    message: str
    lines: tuple[str, ...] = ()
    """What the service said last, where it ended."""


def read(world: World, after_seq: int = 0) -> list[GuardianEvent]:
    """Those behind `after_seq`, the oldest first; a line that is none of these is passed over. Raises OSError."""
    try:
        data = _path(world).read_bytes()
    except FileNotFoundError:
        return []
    return [event for line in data.splitlines() for event in _parsed(line) if event.seq > after_seq]


class EventFile:
    """For one writer; what a disk in trouble does not take is written with the next event."""

    def __init__(self, world: World) -> None:
        self._path = _path(world)
        written = read(world)
        self._last_seq = max((event.seq for event in written), default=0)
        self._count = len(written)
        self._unwritten: list[GuardianEvent] = []
        self._end_last_line()

    def _end_last_line(self) -> None:
        """Of one that was killed as it wrote: else the next line would be taken for the end of that one."""
        with suppress(FileNotFoundError), open(self._path, "rb+") as file:
            if file.seek(0, os.SEEK_END) and os.pread(file.fileno(), 1, file.tell() - 1) != b"\n":
                file.write(b"\n")

    def add(self, kind: Kind, service: str, message: str, lines: tuple[str, ...] = ()) -> GuardianEvent:
        now = time.time()
        self._last_seq = max(self._last_seq + 1, int(now * 1000))
        cut = tuple(line[:LONGEST_LINE] for line in lines)
        event = GuardianEvent(seq=self._last_seq, time=now, kind=kind, service=service, message=message, lines=cut)
        self._unwritten = [*self._unwritten, event][-MOST_EVENTS:]
        return event

    def flush(self) -> None:
        """Raises OSError."""
        while self._unwritten:
            durable.append_line(self._path, orjson.dumps(asdict(self._unwritten[0])))
            del self._unwritten[0]
            self._count += 1
        if self._count > 2 * MOST_EVENTS:
            kept = self._path.read_bytes().splitlines(keepends=True)[-MOST_EVENTS:]
            durable.write_bytes(self._path, b"".join(kept))
            self._count = len(kept)


def _parsed(line: bytes) -> Iterator[GuardianEvent]:
    try:
        yield strict.read(GuardianEvent, orjson.loads(line), source=EVENTS_FILE)
    except ValueError:
        return


def _path(world: World) -> Path:
    return world.status / EVENTS_FILE
