"""The vault's own chronicle: who did what to which asset, one line of JSON each in `vault/chronicle.jsonl`.

The file is the truth and only ever grows; the rows of HistoryEntry are its index.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.exceptions import ValidationError
from django.db import transaction
from django.db.models import Max, Q
from django.utils import timezone

from realm.disk import durable, locks
from realm.world import World
from vault.assets.ids import parse_checkpoint_id
from vault.models import HistoryEntry

log = logging.getLogger(__name__)

FILE = "chronicle.jsonl"
_LOCK = "chronicle.lock"
_SEEN_FILE = "chronicle.json"
"""View of the file as it was read last, so that it is read again only where it has changed."""
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True, kw_only=True)
class Line:
    seq: int
    time: datetime
    action: str
    """save, protect, unprotect, promote, verify, export, delete, undo, empty, thin, copy, drop, fetch, push, pull,
    register, snapshot, restore, go-on-from, token."""
    asset_id: str
    by: str
    """`arena`, `taskmaster`, `vault`, `command line`, `page`, `admin`, or `api` and a token's id."""
    details: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Index:
    """What the file holds, and whether all of it can be read."""

    lines: int
    faults: tuple[str, ...] = ()
    """One sentence for each line that is none, and for each gap in `seq`."""


def record(world: World, action: str, *, by: str, asset_id: str = "", **details: Any) -> Line:
    """Write a line, on disk when this returns, and its row."""
    line = append(world, action, by=by, asset_id=asset_id, **details)
    HistoryEntry.objects.get_or_create(seq=line.seq, defaults=_fields(line))
    return line


def record_done(world: World, action: str, *, by: str, asset_id: str = "", **details: Any) -> None:
    """As `record`, of what is on disk already: that stays done where the disk takes no line, and the log tells."""
    try:
        record(world, action, by=by, asset_id=asset_id, **details)
    except OSError as error:
        log.error("%s %s was done by %s, and the vault's chronicle does not say it: %s", action, asset_id, by, error)


def append(world: World, action: str, *, by: str, asset_id: str = "", **details: Any) -> Line:
    """Write a line alone, into a world whose database is another one, or not to be written; `reindex` adds its row."""
    path = world.vault / FILE
    with locks.held(world.vault / _LOCK):
        now = timezone.now()
        now = now.replace(microsecond=now.microsecond // 1000 * 1000)  # as the file holds it
        line = Line(seq=_last_seq(path) + 1, time=now, action=action, asset_id=asset_id, by=by, details=details)
        _append(path, line)
    return line


def record_once(world: World, action: str, *, by: str, asset_id: str, **details: Any) -> None:
    """As `record`, but not where a line of this action, asset and details stands already: for what a process that was
    killed does again. Only one process at a time may record such an action."""
    _catch_up(world)
    if not HistoryEntry.objects.filter(action=action, asset_id=asset_id, details=details).exists():
        record(world, action, by=by, asset_id=asset_id, **details)


def history(world: World, asset_id: str = "", *, limit: int | None = None) -> list[HistoryEntry]:
    """What was done, newest first; of one asset by its id, whole or, of a checkpoint, short."""
    _catch_up(world)
    rows = HistoryEntry.objects.all()
    if asset_id:
        known = parse_checkpoint_id(asset_id)
        is_short = known is not None and known.name is None
        longer = Q(asset_id__startswith=f"{asset_id}_") if is_short else Q(pk=None)
        rows = rows.filter(Q(asset_id=asset_id) | longer)
    return list(rows[:limit])


def read(world: World) -> Iterator[Line]:
    """Oldest first; a line that cannot be read, as one that a power cut left half written, is passed over."""
    yield from (line for line in _lines(world.vault / FILE) if line is not None)


def reindex(world: World) -> Index:
    """Make the rows those of the file, which is read only where it has changed since the last time."""
    path, seen = world.vault / FILE, world.status / _SEEN_FILE
    mark = _mark(path)
    known = _seen(seen, mark)
    if known is not None and HistoryEntry.objects.count() == known.lines:
        return known
    with locks.held(world.vault / _LOCK):
        mark, lines = _mark(path), list(_lines(path))
    sound = {line.seq: line for line in lines if line is not None}
    with transaction.atomic():
        # Rows of lines that came since are right: they were not there when the file was read.
        _make_rows(sound, come_since=(max(sound, default=0) + 1, _last_seq(path)))
    found = Index(lines=len(sound), faults=tuple(_faults(lines)))
    durable.write_json(seen, asdict(found) | {"mark": mark}, sync=False)
    return found


def _catch_up(world: World) -> None:
    """Rows of lines that were written where no row could be, or before the database was made anew."""
    newest = HistoryEntry.objects.aggregate(seq=Max("seq"))["seq"] or 0
    if newest < _last_seq(world.vault / FILE):
        reindex(world)


def _make_rows(lines: dict[int, Line], *, come_since: tuple[int, int]) -> None:
    rows = {row.seq: row for row in HistoryEntry.objects.exclude(seq__range=come_since)}
    wrong = {seq: row.pk for seq, row in rows.items() if seq not in lines or not _says(row, lines[seq])}
    HistoryEntry.objects.filter(pk__in=wrong.values()).delete()
    right = rows.keys() - wrong.keys()
    fresh = [HistoryEntry(seq=seq, **_fields(line)) for seq, line in lines.items() if seq not in right]
    HistoryEntry.objects.bulk_create(fresh, batch_size=1000, ignore_conflicts=True)


def _says(row: HistoryEntry, line: Line) -> bool:
    said = _fields(line)
    return all(getattr(row, name) == value for name, value in said.items())


def _faults(lines: list[Line | None]) -> Iterator[str]:
    last = 0
    for number, line in enumerate(lines, start=1):
        if line is None:
            yield f"vault/{FILE}: line {number} cannot be read"
            continue
        if line.seq != last + 1:
            yield f"vault/{FILE}: line {number} is number {line.seq}, and the one before is {last}"
        last = line.seq


def _mark(path: Path) -> list[int]:
    """Whether the file is still the one that was read."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return []
    return [found.st_ino, found.st_size, found.st_mtime_ns]


def _seen(seen: Path, mark: list[int]) -> Index | None:
    """What was found in the file as it is; None where that is not known."""
    try:
        said = json.loads(seen.read_bytes())
        return Index(lines=said["lines"], faults=tuple(said["faults"])) if said["mark"] == mark else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def _fields(line: Line) -> dict[str, Any]:
    return {
        "time": line.time,
        "action": line.action,
        "asset_id": line.asset_id,
        "by": line.by,
        "details": line.details,
    }


def _append(path: Path, line: Line) -> None:
    told = {"seq": line.seq, **_fields(line), "time": line.time.isoformat(timespec="milliseconds")}
    data = json.dumps(told, ensure_ascii=False, allow_nan=False).encode()
    if path.exists() and _tail(path)[-1:] not in (b"", b"\n"):
        durable.append_line(path, b"")  # what a power cut left of a line is not the beginning of this one
    durable.append_line(path, data)


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read()


def _last_seq(path: Path) -> int:
    if not path.exists():
        return 0
    seqs = [line.seq for data in _tail(path).splitlines() if (line := _parse(data)) is not None]
    return max(seqs) if seqs else max((line.seq for line in _lines(path) if line is not None), default=0)


def _lines(path: Path) -> Iterator[Line | None]:
    """None for a line that cannot be read."""
    if path.exists():
        with path.open("rb") as file:
            yield from (_parse(data) for data in file if data.strip())


def _parse(data: bytes) -> Line | None:
    try:
        value = json.loads(data)
        line = Line(
            seq=int(value["seq"]),
            time=datetime.fromisoformat(value["time"]),
            action=str(value["action"]),
            asset_id=str(value["asset_id"]),
            by=str(value["by"]),
            details=dict(value["details"]),
        )
        HistoryEntry(seq=line.seq, **_fields(line)).clean_fields()
        return line if timezone.is_aware(line.time) else None
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError, ValidationError):
        return None
