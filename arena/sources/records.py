"""What the gatekeepers found in files of the player's own folders: a record for each file, kept within the world."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from arena.gate.messages import Answer
from arena.gate.report import Report
from arena.sources.folders import SourceFile
from realm import strict
from realm.disk import durable
from realm.world import World

_SUFFIX = ".report.json"


class Verdict(StrEnum):
    UNSEEN = "unseen"
    """Never looked at."""
    FINE = "fine"
    FLAWED = "flawed"
    """It can be trained on; some rows are refused or warned of."""
    REFUSED = "refused"
    """As a whole."""


@dataclass(frozen=True, kw_only=True)
class Record:
    path: str
    state: tuple[int, ...]
    """The file's when it was opened; empty where looking at it came to nothing."""
    looked_at: float
    """Seconds since 1970."""
    order: str
    """The order that it was looked at for."""
    report: Report | None = None
    unreadable: str = ""
    kind: str = ""

    @classmethod
    def of(cls, answer: Answer, *, order: str, now: float) -> Record:
        return cls(
            path=answer.path, state=answer.seen, looked_at=now, order=order, report=answer.report,
            unreadable=answer.unreadable, kind=answer.kind,
        )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A record in short, as lists show it."""

    verdict: Verdict
    looked_at: float = 0.0
    stale: bool = False
    """The file has changed since."""
    rows: int | None = None
    taken: int = 0
    refused: int = 0
    warned: int = 0
    tokens: int | None = None
    reason: str = ""
    """Why it is refused as a whole."""
    line: int = 0
    order: str = ""
    state: tuple[int, ...] = ()


UNSEEN = Found(verdict=Verdict.UNSEEN)


class Records:
    """What is known of files, as of now: for lists of ten thousand, of which most were never looked at."""

    def __init__(self, world: World) -> None:
        self._folder = world.source_reports
        self._present = set(os.listdir(self._folder))
        self._known: dict[str, Found] = {}

    def of(self, file: SourceFile) -> Found:
        if file.name_on_disk not in self._known:
            name = _name_of(file.name_on_disk)
            there = _in_short_of(self._folder / name) if name in self._present else None
            self._known[file.name_on_disk] = _compared(there, file)
        return self._known[file.name_on_disk]


def path_of(world: World, file: Path) -> Path:
    return world.source_reports / _name_of(str(file))


def _name_of(file: str) -> str:
    return f"{hashlib.sha256(os.fsencode(file)).hexdigest()[:40]}{_SUFFIX}"


def write(world: World, record: Record) -> None:
    durable.write_json(path_of(world, Path(record.path)), asdict(record))


def read(world: World, file: Path) -> Record | None:
    """None where it was never looked at, or by another release."""
    return _read(path_of(world, file))


def found_in(world: World, file: SourceFile) -> Found:
    return _compared(_in_short_of(path_of(world, file.path)), file)


def _compared(found: Found | None, file: SourceFile) -> Found:
    if found is None:
        return UNSEEN
    return replace(found, stale=True) if found.state != file.state else found


def forget_folder(world: World, folder: Path, *, still_known: list[Path]) -> None:
    """Delete the records of files below `folder` that are in no other source."""
    for path, record in _all(world):
        file = Path(record["path"])
        if file.is_relative_to(folder) and not any(file.is_relative_to(known) for known in still_known):
            path.unlink(missing_ok=True)


def _all(world: World) -> Iterator[tuple[Path, dict[str, Any]]]:
    for path in world.source_reports.glob(f"*{_SUFFIX}"):
        try:
            record = json.loads(path.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(record, dict) and isinstance(record.get("path"), str):
            yield path, record


def _read(path: Path) -> Record | None:
    try:
        return strict.read(Record, json.loads(path.read_bytes()), source=str(path))
    except (OSError, ValueError, RecursionError):
        return None


def _in_short_of(path: Path) -> Found | None:
    try:
        facts = path.stat()
    except OSError:
        return None
    return _in_short_once(path, facts.st_ino, facts.st_mtime_ns)


@functools.lru_cache(maxsize=50_000)
def _in_short_once(path: Path, inode: int, changed_at: int) -> Found | None:
    """Kept, for a page that tells of ten thousand files: a report may name a thousand rows."""
    record = _read(path)
    return in_short(record) if record else None


def in_short(record: Record) -> Found:
    report = record.report
    common: dict[str, Any] = {"looked_at": record.looked_at, "order": record.order, "state": record.state}
    if report is None:
        return Found(verdict=Verdict.REFUSED, reason=record.unreadable, **common)
    fault = report.fault
    flawed = Verdict.FINE if report.spotless else Verdict.FLAWED
    return Found(
        verdict=Verdict.REFUSED if fault else flawed, rows=report.rows, taken=report.taken,
        refused=report.refused_count, warned=report.warned_count, tokens=report.tokens,
        reason=fault.reason if fault else "", line=fault.line if fault else 0, **common,
    )  # fmt: skip
