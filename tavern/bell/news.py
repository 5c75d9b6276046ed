"""Notices as the bell shows them: entries of the chronicle, with what this visitor has read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.db.models import QuerySet

from arena.models import ChronicleEntry
from tavern.bell.kinds import GROUPS, KINDS, URGENT
from tavern.log_looks import LOOKS, OTHER
from tavern.models import Visitor
from tavern.moments import addresses

MOST_SHOWN = 50
MOST_COUNTED = 100
"""Beyond it the bell says 99+."""
_MOST_ONE_BY_ONE = 200


@dataclass(frozen=True, kw_only=True)
class Notice:
    seq: int
    kind: str
    time: datetime
    message: str
    href: str
    icon: str
    tone: str
    unread: bool


def notices(visitor: Visitor | None, *, group: str = "", most: int = MOST_SHOWN) -> list[Notice]:
    """The newest first. Raises KeyError for a group that is none, DatabaseError."""
    kinds = GROUPS[group] if group else KINDS
    rows = list(ChronicleEntry.objects.filter(kind__in=kinds).order_by("-id")[:most])
    hrefs = addresses(rows)
    return [_notice(row, visitor, hrefs[row.id]) for row in rows]


def unread_count(visitor: Visitor | None) -> int:
    """At most MOST_COUNTED; 0 for who was never here."""
    if visitor is None:
        return 0
    return len(_unread(visitor).values_list("id", flat=True)[:MOST_COUNTED])


def mark_read(visitor: Visitor, seq: int | None = None) -> None:
    """One notice, or all there are."""
    if seq is None:
        newest = ChronicleEntry.objects.order_by("-id").values_list("id", flat=True).first() or 0
        visitor.read_seq, visitor.read_beyond = newest, []
    elif seq > visitor.read_seq and seq not in visitor.read_beyond:
        visitor.read_beyond = [*visitor.read_beyond, seq][-_MOST_ONE_BY_ONE:]
    visitor.save(update_fields=["read_seq", "read_beyond"])


def _unread(visitor: Visitor) -> QuerySet[ChronicleEntry]:
    return ChronicleEntry.objects.filter(kind__in=KINDS, id__gt=visitor.read_seq).exclude(id__in=visitor.read_beyond)


def _notice(row: ChronicleEntry, visitor: Visitor | None, href: str) -> Notice:
    look = LOOKS.get(row.kind, OTHER)
    is_read = visitor is None or row.id <= visitor.read_seq or row.id in visitor.read_beyond
    return Notice(
        seq=row.id,
        kind=row.kind,
        time=row.time.astimezone(UTC),
        message=row.message,
        href=href,
        icon=look.icon,
        tone="blood" if row.kind in URGENT else look.tone,
        unread=not is_read,
    )
