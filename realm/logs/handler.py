"""Writes records into a service's file. A disk that is full costs lines, never the process; it says how many."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from pathlib import Path

from realm.logs.daily_file import DailyFile


class JsonLinesHandler(logging.Handler):
    def __init__(self, home: str, service: str) -> None:
        super().__init__()
        self._home = Path(home)
        self._file = DailyFile(self._home / "logs" / service, service)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        except Exception:  # of a message that does not fit its arguments; the standard library's way
            self.handleError(record)
            return
        try:
            self._append(line, record.created)
        except OSError:
            self._lost += 1

    def close(self) -> None:
        self.acquire()
        try:
            self._file.close()
        finally:
            self.release()
        super().close()

    def _append(self, line: str, created: float) -> None:
        if not self._home.is_dir():
            return  # of a world that was deleted, or never begun
        moment = datetime.fromtimestamp(created, UTC)
        day = moment.date().isoformat()
        if self._lost:
            self._file.append(_lost(self._lost, moment), day=day)
            self._lost = 0
        self._file.append(line.encode(), day=day)


def _lost(count: int, moment: datetime) -> bytes:
    return json.dumps({
        "time": moment.isoformat(timespec="milliseconds"),
        "level": "warning",
        "event": "lines_lost",
        "message": f"{count} lines before this one could not be written",
        "logger": __name__,
        "count": count,
    }).encode()  # fmt: skip
