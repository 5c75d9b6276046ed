"""A line of a log as it is read again, whether it was written as JSON or, by whatever else, as it came."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from realm.logs import levels

_KNOWN = frozenset(("critical", "debug", "error", "info", "warning"))
_OTHER_NAMES = {
    "warn": "warning",
    "crit": "critical",
    "erro": "error",
    "debg": "debug",
    "trac": "debug",
    "blat": "debug",
}
_STANDARD = ("time", "level", "event", "message", "logger")
_PLAIN = re.compile(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) ([A-Z]+) (?:(\w+(?:\.\w+)+): )?(.*)", re.DOTALL)
"""As the console has it, and supervisord, which names no logger; in local time."""


@dataclass(frozen=True, kw_only=True)
class LogLine:
    cursor: str
    """Where it stands, whatever its file is called by now: to go on from, forward or back."""
    message: str
    time: str = ""
    """ISO 8601 in UTC; empty where the line does not say."""
    level: str = "info"
    event: str = ""
    logger: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    """All else; `exception` with its type, message and trace among them."""

    def has(self, text: str) -> bool:
        """Whether `text`, in lower case, stands in it, its fields among them."""
        told = (self.message, self.event, self.logger, json.dumps(self.fields, ensure_ascii=False))
        return any(text in part.lower() for part in told)

    def is_at_least(self, level: str) -> bool:
        return levels.number(self.level) >= levels.number(level)


def parse(data: bytes, cursor: str) -> LogLine:
    """Of one line without its newline. Whatever it is, it is shown."""
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return _plain(data.decode(errors="replace"), cursor)
    if not isinstance(value, dict) or not isinstance(value.get("message"), str):
        return _plain(data.decode(errors="replace"), cursor)
    told = {name: value[name] for name in _STANDARD if isinstance(value.get(name), str)}
    if told.get("level") not in _KNOWN:
        told.pop("level", None)
    return LogLine(cursor=cursor, **told, fields={name: value[name] for name in value if name not in _STANDARD})


def _plain(text: str, cursor: str) -> LogLine:
    found = _PLAIN.fullmatch(text)
    if found is None:
        return LogLine(cursor=cursor, message=text)
    level = _OTHER_NAMES.get(found[2].lower(), found[2].lower())
    try:
        moment = datetime.strptime(found[1], "%Y-%m-%d %H:%M:%S,%f").astimezone(UTC)
    except (ValueError, OverflowError):
        return LogLine(cursor=cursor, message=text)
    return LogLine(
        cursor=cursor,
        time=moment.isoformat(timespec="milliseconds"),
        level=level if level in _KNOWN else "info",
        logger=found[3] or "",
        message=found[4],
    )
