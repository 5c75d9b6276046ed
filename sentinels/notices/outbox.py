"""How far the chronicle was read, and what waits for each destination: `status/notices.json`, of one writer.

What is read and what then waits are written in one go, so that nothing is lost between them.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import Annotated

from realm import strict
from realm.disk import durable, mailbox
from realm.strict import Range
from realm.world import World
from sentinels.notices.events import EVENTS

FILE = "notices.json"
MOST_WAITING = 200
"""Of a destination; beyond it the oldest are only counted."""
MOST_LOGGED = 100
_LARGEST_BYTES = 16 * 1024**2
_FORMAT_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class Waiting:
    entry: int
    """Id of the chronicle entry."""
    event: str
    """Name in sentinels.notices.events."""
    time: float
    """When it happened, in seconds since 1970."""
    message: str
    was_held: bool = False
    """By quiet hours."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Of one attempt to send."""

    time: float
    destination: str
    ok: bool
    title: str
    events: int
    """How many were told."""
    words: str
    gave_up: bool = False
    """Nothing of it is tried again."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """Of one destination."""

    waiting: tuple[Waiting, ...] = ()
    left_out: int = 0
    """Events that found no room."""
    failures: int = 0
    """In a row."""
    next_try: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """The newest chronicle entry that was read; its source tells a database from one that was made anew."""

    entry: int = 0
    source: str = ""
    source_seq: int = 0
    time: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Outbox:
    format_version: Annotated[int, Range(_FORMAT_VERSION, _FORMAT_VERSION, "is not known")] = _FORMAT_VERSION
    cursor: Cursor | None = None
    """None: reading begins with what comes next."""
    boxes: dict[str, Box] = field(default_factory=dict)
    log: tuple[Outcome, ...] = ()
    """The newest last."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)


def read(world: World) -> Outbox:
    """Empty where there is none. Raises Damaged, OSError."""
    path = world.status / FILE
    try:
        found = strict.read(Outbox, mailbox.read_json(path, largest_bytes=_LARGEST_BYTES), source=str(path))
    except FileNotFoundError:
        return Outbox()
    except strict.BadConfig as error:
        raise mailbox.Damaged(str(error)) from error
    return replace(found, boxes={name: _of_this_release(box) for name, box in found.boxes.items()})


def look(world: World) -> Outbox:
    """For whoever only shows it."""
    try:
        return read(world)
    except (mailbox.Damaged, OSError):
        return Outbox()


def write(world: World, outbox: Outbox) -> None:
    """Raises OSError."""
    durable.write_json(world.status / FILE, asdict(outbox))


def put(box: Box, fresh: tuple[Waiting, ...]) -> Box:
    """Behind what waits there; the oldest make room."""
    waiting = (*box.waiting, *fresh)
    over = max(0, len(waiting) - MOST_WAITING)
    return replace(box, waiting=waiting[over:], left_out=box.left_out + over)


def log(outbox: Outbox, outcome: Outcome) -> tuple[Outcome, ...]:
    return (*outbox.log, outcome)[-MOST_LOGGED:]


def _of_this_release(box: Box) -> Box:
    return replace(box, waiting=tuple(event for event in box.waiting if event.event in EVENTS))
