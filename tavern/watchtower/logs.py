"""The log panel: the newest lines of one service or of all, those before them, and those that came since."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from realm.config import LOG_LEVELS
from realm.logs import reading
from realm.logs.line import LogLine
from realm.logs.reading import Follower
from realm.logs.sources import NoSuchLog, sources
from realm.world import World

SHOWN = 200
MOST_NEW = 500
LONGEST_TEXT = 2000
"""Characters of a message that are shown."""
_LONGEST_SEARCH = 200
_MOST_CURSORS = 200
Cursors = dict[str, str]
"""A place in the log of each service."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What of the logs is shown; it stands in the page's address."""

    service: str = ""
    """Empty: all."""
    level: str = "info"
    text: str = ""

    @classmethod
    def of(cls, query: QueryDict) -> Wanted:
        level = query.get("level", "info")
        return cls(
            service=query.get("service", "")[:80],
            level=level if level in LOG_LEVELS else "info",
            text=query.get("text", "")[:_LONGEST_SEARCH],
        )

    @property
    def query(self) -> str:
        asked = {"service": self.service, "level": self.level, "text": self.text}
        return urlencode({key: value for key, value in asked.items() if value})


@dataclass(frozen=True, kw_only=True)
class Shown:
    service: str
    line: LogLine

    @property
    def key(self) -> str:
        return f"{self.service}/{self.line.cursor}"

    @property
    def message(self) -> str:
        return visible(self.line.message)

    @property
    def more(self) -> str:
        """The rest of a long message, and the line's fields; empty where there are none."""
        fields = json.dumps(self.line.fields, indent=2, ensure_ascii=False, default=str) if self.line.fields else ""
        whole = self.line.message if len(self.line.message) > LONGEST_TEXT else ""
        return visible("\n".join(filter(None, (whole, fields))), most=20 * LONGEST_TEXT)


@dataclass(frozen=True, kw_only=True)
class LogPage:
    lines: list[Shown]
    """The oldest first."""
    older: Cursors
    """From where on the page before this one is read; empty where there is none."""
    after: Cursors
    """From where on what is new is read."""
    trouble: str = ""

    @property
    def older_json(self) -> str:
        return json.dumps(self.older)

    @property
    def after_json(self) -> str:
        return json.dumps(self.after)


def read_page(world: World, wanted: Wanted, *, before: Cursors | None = None) -> LogPage:
    """The newest lines, or those before the cursors. Raises ValueError for a cursor that is none."""
    names = _names(world, wanted, before)
    after = _ends(world, names)
    if wanted.service and wanted.service not in sources(world):
        return LogPage(lines=[], older={}, after={}, trouble=f"{wanted.service} has logged nothing yet.")
    pages = {name: _tail(world, name, wanted, (before or {}).get(name, "")) for name in names}
    found = [Shown(service=name, line=line) for name, page in pages.items() for line in page.lines]
    found = sorted(found, key=lambda shown: shown.line.time)[-SHOWN:] if len(names) > 1 else found
    oldest = {line.service: line.line.cursor for line in reversed(found)}
    starts = {name: oldest.get(name, (before or {}).get(name, "")) for name in pages}
    older = {name: starts[name] for name, page in pages.items() if _has_older(page, oldest.get(name))}
    return LogPage(lines=found, older=older, after=after)


def read_new(world: World, wanted: Wanted, after: Cursors) -> LogPage:
    """What was written behind the cursors. A line that comes meanwhile may be told twice: each has its key."""
    names = _names(world, wanted, None)
    ends = _ends(world, names)
    found: list[Shown] = []
    for name in names:
        lines, is_more = _since(world, name, wanted, after.get(name, ""))
        found += [Shown(service=name, line=line) for line in lines]
        if is_more:
            ends[name] = lines[-1].cursor
    return LogPage(lines=sorted(found, key=lambda shown: shown.line.time), older={}, after=ends)


def read_cursors(text: str) -> Cursors:
    """Raises ValueError for what a page of logs never sent."""
    try:
        told: Any = json.loads(text or "{}")
    except RecursionError:
        told = None
    if not isinstance(told, dict) or len(told) > _MOST_CURSORS:
        raise ValueError("these are no places in logs")
    if not all(isinstance(place, str) for place in told.values()):
        raise ValueError("these are no places in logs")
    return told


def visible(text: str, most: int = LONGEST_TEXT) -> str:
    """The text with what drives a terminal or turns the direction of writing spelled out, cut to `most` characters."""
    cut = text[:most] + ("…" if len(text) > most else "")
    return "".join(char if _is_plain(char) else repr(char)[1:-1] for char in cut)


def _is_plain(char: str) -> bool:
    """Blanks of any width are, such as stand between a figure and its unit."""
    return char.isprintable() or char in "\n\t" or unicodedata.category(char) == "Zs"


def _names(world: World, wanted: Wanted, before: Mapping[str, str] | None) -> list[str]:
    known = list(sources(world))
    if wanted.service:
        known = [name for name in known if name == wanted.service]
    return known if before is None else [name for name in known if name in before]


def _tail(world: World, name: str, wanted: Wanted, before: str) -> reading.Page:
    try:
        return reading.tail(world, name, level=wanted.level, text=wanted.text, before=before, limit=SHOWN)
    except (NoSuchLog, OSError):
        return reading.Page([], "")


def _has_older(page: reading.Page, oldest_shown: str | None) -> bool:
    """Lines that were found and left out for want of room count."""
    return bool(page.older) or bool(page.lines and page.lines[0].cursor != oldest_shown)


def _ends(world: World, names: list[str]) -> Cursors:
    found: Cursors = {}
    for name in names:
        try:
            newest = reading.tail(world, name, limit=1).lines
        except (NoSuchLog, OSError):
            continue
        if newest:
            found[name] = newest[-1].cursor
    return found


def _since(world: World, name: str, wanted: Wanted, after: str) -> tuple[list[LogLine], bool]:
    """And whether there are more. A service that had said nothing is read from its beginning."""
    try:
        if not after:
            lines = reading.tail(world, name, level=wanted.level, text=wanted.text, limit=MOST_NEW).lines
            return lines, False
        follower = Follower(world, name, after=after, level=wanted.level, text=wanted.text)
    except (NoSuchLog, OSError):
        return [], False
    try:
        lines = follower.read(MOST_NEW)
    finally:
        follower.close()
    return lines, len(lines) == MOST_NEW
