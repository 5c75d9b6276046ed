"""What the guardian did and what patrols found, as entries of the chronicle: pages, streams and notices follow it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import transaction
from django.db.models import Max

from arena.models import ChronicleEntry
from realm.disk.stamps import Stamp, stamp
from realm.world import World
from sentinels.guardian import events
from sentinels.inspector.finding import Finding
from sentinels.inspector.report import HEALTH_FILE, Report, read_report

GUARDIAN, PATROL = "guardian", "patrol"
"""Sources of entries."""
FOUND, GONE = "finding", "finding_gone"
KINDS = {
    "restarted": "service_restarted",
    "stuck": "service_stuck",
    "gave_up": "service_gave_up",
    "recovered": "service_recovered",
    "mended": "weaver_mended",
}
"""Of entries, by what the guardian calls it."""
MOST_CHANGES = 6
"""Entries about one thing in a day: one that comes and goes all the time is not told each time."""
MOST_OPEN = 30
"""Findings that are told and not gone yet; what is beyond stands on the page alone."""
_REMEMBERED = 400
"""Newest entries of patrols that are read again."""
_LONGEST_MESSAGE = 500


class Record:
    """Takes in what has changed; where nothing has, the database is let be."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._files = (world.status / events.EVENTS_FILE, world.status / HEALTH_FILE)
        self._stamps: tuple[Stamp | None, ...] = ()

    def take_in(self) -> int:
        """How many entries were added. Raises OSError, DatabaseError: then the next call tries again."""
        stamps = tuple(map(stamp, self._files))
        if stamps == self._stamps:
            return 0
        added = take_in(self._world)
        self._stamps = stamps
        return added


def take_in(world: World) -> int:
    """How many entries were added; what was taken in before adds none. Raises OSError, DatabaseError."""
    with transaction.atomic():
        return _guardian(world) + _patrol(world)


def _guardian(world: World) -> int:
    last = _last_seq(GUARDIAN)
    rows = [
        ChronicleEntry(
            source=GUARDIAN,
            source_seq=event.seq,
            kind=KINDS[event.kind],
            time=datetime.fromtimestamp(event.time, UTC),
            message=event.message[:_LONGEST_MESSAGE],
            data={"service": event.service, "lines": list(event.lines)},
        )
        for event in events.read(world, last)
    ]
    return len(ChronicleEntry.objects.bulk_create(rows))


def _last_seq(source: str) -> int:
    return int(ChronicleEntry.objects.filter(source=source).aggregate(last=Max("source_seq"))["last"] or 0)


@dataclass(frozen=True)
class _Entry:
    kind: str
    time: datetime
    data: dict[str, Any]


def _patrol(world: World) -> int:
    report = read_report(world)
    if report is None:
        return 0
    newest_first = ChronicleEntry.objects.filter(source=PATROL).order_by("-source_seq")[:_REMEMBERED]
    known = [_Entry(*row) for row in newest_first.values_list("kind", "time", "data")]
    last, moment = _last_seq(PATROL), datetime.fromtimestamp(report.time, UTC)
    rows = [
        ChronicleEntry(
            source=PATROL, source_seq=seq, kind=kind, time=moment, message=message[:_LONGEST_MESSAGE], data=data
        )
        for seq, (kind, message, data) in enumerate(_changes(report, known, moment), start=last + 1)
    ]
    return len(ChronicleEntry.objects.bulk_create(rows))


def _changes(report: Report, known: list[_Entry], now: datetime) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Kind, message and data of what is otherwise than the chronicle has it."""
    latest = {entry.data.get("what"): entry for entry in reversed(known)}
    recorded = {str(what): entry.data.get("verdict") for what, entry in latest.items() if entry.kind == FOUND}
    since = now - timedelta(days=1)
    told = Counter(entry.data.get("what") for entry in known if entry.time > since)
    found = {finding.what: finding for finding in reversed(report.found) if finding.verdict != "ok"}
    unknown = {finding.check for finding in report.found if finding.is_unknown}
    for what in recorded.keys() - found.keys():
        check = latest[what].data.get("check")
        if check not in unknown and told[what] < MOST_CHANGES:
            yield GONE, f"{what}: all is well again", {"what": what, "check": check}
    room = MOST_OPEN - len(recorded.keys() & found.keys())
    for what, finding in sorted(found.items(), key=lambda each: each[1].verdict != "trouble"):
        is_new = what not in recorded
        if recorded.get(what) == finding.verdict or told[what] >= MOST_CHANGES or (is_new and room <= 0):
            continue
        room -= is_new
        yield FOUND, f"{what}: {finding.sentence}", _data(finding)


def _data(finding: Finding) -> dict[str, Any]:
    return {
        "what": finding.what,
        "check": finding.check,
        "verdict": finding.verdict,
        "sentence": finding.sentence,
        "remedy": finding.remedy,
        "path": finding.path,
    }
