"""A quest that was asked for has a ticket, `<file>.job.json` beside it: the id of the job that it is.

It lies there before the quest does and moves with it, so that the id is known from the moment of asking and outlives
the database.
"""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from arena.gate.report import TICKET, companion
from realm import strict
from realm.disk import durable, mailbox
from realm.disk.mailbox import Damaged

LARGEST_BYTES = 256 * 1024
"""Whoever asks may leave facts of its own."""
_ID = re.compile(r"job-[0-9a-f]{16}")


@dataclass(frozen=True, kw_only=True)
class Ticket:
    id: str
    name: str
    """Of the quest as it was asked for; a name that is taken gets a number."""
    by: str
    asked_at: float
    """Seconds since 1970."""
    cancelled: bool = False
    """Before the arena knew of it."""
    facts: dict[str, Any] = field(default_factory=dict)
    """Of whoever asked; the arena reads none of them."""

    def encoded(self) -> bytes:
        """Raises ValueError where its facts are too long."""
        data = durable.encode_json(asdict(self))
        if len(data) > LARGEST_BYTES:
            raise ValueError(f"facts of {len(data):,} bytes are more than {LARGEST_BYTES:,}")
        return data


def new(*, name: str, by: str, facts: dict[str, Any] | None = None) -> Ticket:
    return Ticket(id=f"job-{secrets.token_hex(8)}", name=name, by=by, asked_at=time.time(), facts=facts or {})


def is_id(text: str) -> bool:
    return _ID.fullmatch(text) is not None


def read(path: Path) -> Ticket | None:
    """The ticket of the quest at `path`; None for one that nobody asked for, and for what is no ticket."""
    try:
        value = mailbox.read_json(companion(path, TICKET), largest_bytes=LARGEST_BYTES)
        found = strict.read(Ticket, value, source="it")
    except (OSError, Damaged, strict.BadConfig):
        return None
    return found if is_id(found.id) else None


def id_of(path: Path) -> str:
    """Empty for a quest without a ticket."""
    found = read(path)
    return found.id if found else ""


def mark(path: Path, ticket: Ticket, *, cancelled: bool) -> None:
    """Let it be known, before the arena looks, whether the quest is still wanted."""
    durable.write_bytes(companion(path, TICKET), replace(ticket, cancelled=cancelled).encoded())
