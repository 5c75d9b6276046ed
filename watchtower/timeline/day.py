"""The last day, span by span: as it was recorded, and where nobody recorded, as battles and chronicle tell it."""

from __future__ import annotations

import time
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import numpy as np
from django.db.models import Q

from arena import steps
from arena.models import Battle, ChronicleEntry
from arena.protocol import EventKind
from realm.world import World
from watchtower.timeline.recorder import LONGEST_SILENCE_SECONDS, NOBODY
from watchtower.timeline.records import FILE, read
from watchtower.timeline.spans import IDLE, Kind, Span, seconds_by_kind

HOURS = 24.0
UNRECORDED = frozenset({Kind.UNKNOWN, Kind.OFF})
"""A battle's steps are believed more than these."""
_TELLS: dict[str, Kind | None] = {
    EventKind.BATTLE_PAUSED: Kind.PAUSED,
    "disk_trouble": Kind.WAITING,
    "hero_refused": Kind.WAITING,
    "trainer_hung": Kind.HUNG,
    "machine_lost": Kind.WAITING,
    "machine_missing": Kind.WAITING,
} | dict.fromkeys(
    (
        EventKind.BATTLE_STARTED, EventKind.BATTLE_RESUMED, EventKind.BATTLE_STOPPED, EventKind.BATTLE_COMPLETED,
        EventKind.BATTLE_FAILED, "disk_recovered", "machine_back", "settings_changed",
    )
)  # fmt: skip
"""Kinds of the chronicle's entries, and what goes on from such an entry to the next; None: nothing special."""
_SHUTDOWN = "shutdown"
"""Asked of the trainer by a daemon that ends."""


@dataclass(frozen=True, kw_only=True)
class Day:
    start: float
    """In seconds since 1970, as `end`."""
    end: float
    spans: list[Span]
    """Without a hole from `start` to `end`."""
    saving_seconds: float
    """For which training stood still to save, within the other spans."""

    @property
    def idle(self) -> list[Span]:
        """Those in which nothing was done for the hero."""
        return [span for span in self.spans if span.kind in IDLE]

    @property
    def seconds(self) -> dict[Kind, float]:
        return seconds_by_kind(self.spans)


def read_day(world: World, *, now: float | None = None, hours: float = HOURS) -> Day:
    """The `hours` up to now. Raises DatabaseError."""
    end = time.time() if now is None else now
    start = end - hours * 3600
    return Day(start=start, end=end, spans=day(world, now=end, hours=hours), saving_seconds=_saving(start, end))


def day(world: World, *, now: float | None = None, hours: float = HOURS) -> list[Span]:
    """Every second of the `hours` up to now, each in one span, the oldest first. Raises DatabaseError."""
    end = time.time() if now is None else now
    start = end - hours * 3600
    recorded = read(world.status / FILE)
    known = whole(recorded, start, end)
    if recorded and known and known[0].why == NOBODY and _is_first(known[0]):
        known[0] = replace(known[0], kind=Kind.BEFORE, why="before this realm began")
    unrecorded = [span for span in known if span.kind in UNRECORDED]
    trained = _trained(world, unrecorded[0].start, unrecorded[-1].end) if unrecorded else []
    said = _said(unrecorded[0].start, unrecorded[-1].end) if unrecorded else []
    return list(_joined(part for span in known for part in _rebuilt(span, trained, said)))


def _is_first(span: Span) -> bool:
    """Whether nothing is known to have happened before its end."""
    until = _moment(span.end - LONGEST_SILENCE_SECONDS)
    battles = Battle.objects.filter(started_at__lt=until)
    return not (battles.exists() or ChronicleEntry.objects.filter(time__lt=until).exists())


def whole(recorded: Iterable[Span], start: float, end: float) -> list[Span]:
    """The recorded spans without overlaps, and the holes between them; of two for one second the later recorded."""
    standing: list[Span] = []
    for span in recorded:
        while standing and standing[-1].start >= span.start:
            standing.pop()
        if standing and standing[-1].end > span.start:
            standing[-1] = replace(standing[-1], end=span.start)
        standing.append(span)
    return list(_without_holes((span.within(start, end) for span in standing), start, end))


def _without_holes(spans: Iterable[Span], start: float, end: float) -> Iterator[Span]:
    at = start
    for span in spans:
        last = span.end if end - span.end > LONGEST_SILENCE_SECONDS else end
        if last <= max(at, span.start):
            continue
        if span.start > at:
            yield Span(kind=Kind.UNKNOWN, start=at, end=span.start, why=NOBODY)
        yield replace(span, end=last)
        at = last
    if at < end:
        yield Span(kind=Kind.UNKNOWN, start=at, end=end, why=NOBODY)


def _rebuilt(span: Span, trained_spans: list[Span], said: list[ChronicleEntry]) -> Iterator[Span]:
    """A span in which nobody recorded, cut at what battles have left of it."""
    if span.kind not in UNRECORDED:
        yield span
        return
    at = span.start
    for trained in (each.within(span.start, span.end) for each in trained_spans):
        if trained.seconds <= 0:
            continue
        if trained.start > at:
            yield _told(replace(span, start=at, end=trained.start), said)
        yield trained
        at = trained.end
    if at < span.end:
        yield _told(replace(span, start=at), said)


def _trained(world: World, start: float, end: float) -> list[Span]:
    """Stretches of steps that lie close together, by the battles' own records."""
    over = Q(ended_at__isnull=True) | Q(ended_at__gte=_moment(start))
    battles = Battle.objects.filter(over, started_at__lte=_moment(end)).select_related("quest")
    found = [
        Span(kind=Kind.TRAINING, start=first, end=last, why="", quest=battle.quest.name, battle=battle.battle_id)
        for battle in battles
        for first, last in _stretches(world, battle, start, end)
    ]
    return sorted(whole_only(found), key=lambda span: span.start)


def whole_only(spans: list[Span]) -> list[Span]:
    """Without those that begin inside another one: two clocks, or a battle that was copied."""
    kept: list[Span] = []
    for span in sorted(spans, key=lambda each: each.start):
        if not kept or span.start >= kept[-1].end:
            kept.append(span)
    return kept


def _stretches(world: World, battle: Battle, start: float, end: float) -> Iterator[tuple[float, float]]:
    path = steps.path_of(world, battle.battle_id)
    records = steps.read(path, 0, steps.count(path))
    times = np.ascontiguousarray(records["time"])
    chosen = (times >= start) & (times <= end)
    times, lasted = times[chosen], records["step_seconds"][chosen].astype(np.float64)
    if not len(times):
        return
    breaks = np.flatnonzero(np.diff(times) > LONGEST_SILENCE_SECONDS + 3 * lasted[1:])
    for first, last in zip(np.append(0, breaks + 1), np.append(breaks, len(times) - 1), strict=True):
        yield max(start, float(times[first] - lasted[first])), float(times[last])


def _said(start: float, end: float) -> list[ChronicleEntry]:
    """What the chronicle said meanwhile, in the order of time, and the last of before."""
    entries = ChronicleEntry.objects.filter(kind__in=_TELLS).order_by("time", "id")
    before = entries.filter(time__lt=_moment(start)).last()
    meanwhile = entries.filter(time__gte=_moment(start), time__lte=_moment(end + LONGEST_SILENCE_SECONDS))
    return [*([before] if before else []), *meanwhile]


def _told(span: Span, said: list[ChronicleEntry]) -> Span:
    """With what the chronicle said last before it, where that explains why nothing was trained."""
    if span.why != NOBODY:
        return span
    until = _moment(span.start + LONGEST_SILENCE_SECONDS)
    before = bisect_right(said, until, key=lambda each: each.time)
    entry = said[before - 1] if before else None
    kind = _kind_after(entry) if entry else None
    return replace(span, kind=kind, why=f"{entry.message}; {NOBODY}") if entry and kind else span


def _kind_after(entry: ChronicleEntry) -> Kind | None:
    """Of the time behind an entry: a battle that rests because its arena was stopped is nobody's pause."""
    if entry.kind == EventKind.BATTLE_PAUSED and entry.data.get("asked") == _SHUTDOWN:
        return Kind.OFF
    return _TELLS[entry.kind]


def _joined(spans: Iterable[Span]) -> Iterator[Span]:
    """Neighbours that say the same as one."""
    last: Span | None = None
    for span in spans:
        if last is not None and replace(span, start=last.start, end=last.end) == last:
            last = replace(last, end=span.end)
            continue
        if last is not None:
            yield last
        last = span
    if last is not None:
        yield last


def _saving(start: float, end: float) -> float:
    saved = ChronicleEntry.objects.filter(
        kind=EventKind.CHECKPOINT_SAVED, time__gte=_moment(start), time__lte=_moment(end)
    )
    stalls = saved.values_list("data__stall_seconds", flat=True)
    return sum(stall for stall in stalls if isinstance(stall, float | int))


def _moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(max(0.0, seconds), UTC)
