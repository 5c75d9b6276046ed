"""A file of lines that several processes append to: a new one each UTC day and each 32 MB, old ones deleted.

Each line is one append. Rotation is a rename under a lock: who writes meanwhile writes into the renamed file, and
finds at its next line that the name belongs to another. So no line is lost or torn.
"""

from __future__ import annotations

import os
import re
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

from realm.disk import locks

LARGEST_BYTES = 32 * 1024**2
MOST_BYTES = 512 * 1024**2
"""Of one service's rotated files together."""
KEEP_DAYS = 14
SUFFIX = ".jsonl"
LOCK_FILE = ".rotation.lock"
_DAY = re.compile(rb'"time": ?"(\d{4}-\d\d-\d\d)')
_HEAD_BYTES = 200
_NO_FILE = -1


def rotated_files(folder: Path, name: str) -> list[Path]:
    """The oldest first: `<name>.<day>.<number>.jsonl`."""
    return sorted(folder.glob(f"{name}.????-??-??.[0-9][0-9][0-9][0-9]{SUFFIX}"))


class DailyFile:
    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._path = folder / f"{name}{SUFFIX}"
        self._handle = _NO_FILE
        self._day = ""
        self._unended = b""
        """A newline where the file ends within a line, as a full disk or a lost power leaves it."""

    def append(self, line: bytes, *, day: str) -> None:
        """`line` without its newline, of that UTC day. Raises OSError."""
        if not self._is_current():
            self._open(day)
        elif day > self._day or os.fstat(self._handle).st_size >= LARGEST_BYTES:
            self._rotate(day)
            self._open(day)
        data = self._unended + line + b"\n"
        written = os.write(self._handle, data)
        self._unended = b"" if written == len(data) else b"\n"
        if self._unended:
            raise OSError(f"{written} of {len(data)} bytes were written to {self._path}")

    def close(self) -> None:
        if self._handle != _NO_FILE:
            os.close(self._handle)
            self._handle = _NO_FILE

    def _is_current(self) -> bool:
        """Whether the name still belongs to the file that is open."""
        return self._handle != _NO_FILE and _is_file(self._path, os.fstat(self._handle))

    def _open(self, day: str) -> None:
        """The file of that name; one that another day began is put aside first."""
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        self._take(day)
        if day > self._day:
            self._rotate(day)
            self.close()
            self._take(day)

    def _take(self, day: str) -> None:
        self._handle = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        found = os.fstat(self._handle)
        self._unended = b"\n" if found.st_size and os.pread(self._handle, 1, found.st_size - 1) != b"\n" else b""
        began = _DAY.search(os.pread(self._handle, _HEAD_BYTES, 0))
        changed = datetime.fromtimestamp(found.st_mtime, UTC).date().isoformat()
        self._day = (began[1].decode() if began else changed) if found.st_size else day

    def _rotate(self, today: str) -> None:
        """Unless another process does, or just did."""
        with locks.opened(self._folder / LOCK_FILE) as lock:
            if locks.try_lock(lock) and self._is_current():
                os.rename(self._path, self._free_name())
                _delete_old(self._folder, self._name, today=date.fromisoformat(today))

    def _free_name(self) -> Path:
        taken = [
            number for day, number in map(_day_and_number, rotated_files(self._folder, self._name)) if day == self._day
        ]
        return self._folder / f"{self._name}.{self._day}.{max(taken, default=0) + 1:04}{SUFFIX}"


def _day_and_number(path: Path) -> tuple[str, int]:
    day, number = path.name.removesuffix(SUFFIX).split(".")[-2:]
    return day, int(number)


def _is_file(path: Path, found: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.stat(path), found)
    except FileNotFoundError:
        return False


def _delete_old(folder: Path, name: str, *, today: date) -> None:
    kept = 0
    for path in reversed(rotated_files(folder, name)):
        with suppress(OSError, ValueError):
            kept += path.stat().st_size
            day = date.fromisoformat(_day_and_number(path)[0])
            if kept > MOST_BYTES or (today - day).days > KEEP_DAYS:
                path.unlink()
