"""The vault's own chronicle: who did what to which asset, one line of JSON each in `vault/chronicle.jsonl`.

The file is the truth and only ever grows; the rows of HistoryEntry are its index.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.utils import timezone

from realm.disk import durable, locks
from realm.world import World
from vault.models import HistoryEntry

FILE = "chronicle.jsonl"
_LOCK = "chronicle.lock"
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


def record(world: World, action: str, *, by: str, asset_id: str = "", **details: Any) -> Line:
    """Write a line, on disk when this returns, and its row."""
    path = world.vault / FILE
    with locks.held(world.vault / _LOCK):
        line = Line(
            seq=_last_seq(path) + 1, time=timezone.now(), action=action, asset_id=asset_id, by=by, details=details
        )
        _append(path, line)
    HistoryEntry.objects.get_or_create(seq=line.seq, defaults=_fields(line))
    return line


def read(world: World) -> Iterator[Line]:
    """Oldest first; a line that a power cut left half written is passed over."""
    path = world.vault / FILE
    if path.exists():
        with path.open("rb") as file:
            for data in file:
                if (line := _parse(data)) is not None:
                    yield line


def reindex(world: World) -> int:
    """Make the rows those of the file; how many there are."""
    lines = {line.seq: line for line in read(world)}
    known = set(HistoryEntry.objects.values_list("seq", flat=True))
    HistoryEntry.objects.filter(seq__in=[seq for seq in known if seq not in lines]).delete()
    fresh = [HistoryEntry(seq=seq, **_fields(line)) for seq, line in lines.items() if seq not in known]
    HistoryEntry.objects.bulk_create(fresh, batch_size=1000)
    return len(lines)


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
    data = json.dumps(told, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    is_new = not path.exists()
    with path.open("ab") as file:
        if file.tell() and not _ends_with_newline(path):
            data = b"\n" + data
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        durable.sync_folder(path.parent)


def _ends_with_newline(path: Path) -> bool:
    return _tail(path).endswith(b"\n")


def _tail(path: Path) -> bytes:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return file.read()


def _last_seq(path: Path) -> int:
    if not path.exists():
        return 0
    seqs = [line.seq for data in _tail(path).splitlines() if (line := _parse(data)) is not None]
    return seqs[-1] if seqs else max((line.seq for line in _all(path)), default=0)


def _all(path: Path) -> Iterator[Line]:
    with path.open("rb") as file:
        yield from (line for data in file if (line := _parse(data)) is not None)


def _parse(data: bytes) -> Line | None:
    try:
        value = json.loads(data)
        return Line(
            seq=int(value["seq"]),
            time=datetime.fromisoformat(value["time"]),
            action=str(value["action"]),
            asset_id=str(value["asset_id"]),
            by=str(value["by"]),
            details=dict(value["details"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
