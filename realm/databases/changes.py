"""Whether anything was written to the database since a thread looked: a question to SQLite's file, and no query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from django.db import connection

Answer = TypeVar("Answer")


def state() -> tuple[Any, ...] | None:
    """Equal to what was said before only if nothing was written meanwhile, by this thread or whoever else.

    None where that cannot be told, because the database is no SQLite file. Raises DatabaseError.
    """
    if connection.vendor != "sqlite":
        return None
    connection.ensure_connection()
    raw = connection.connection
    with connection.wrap_database_errors:
        # Of the others' writes SQLite counts those since this connection was opened, of its own the rows.
        (version,) = raw.execute("PRAGMA data_version").fetchone()
    return raw, version, raw.total_changes


class Nothing:
    """Remembers of questions to the database that there was nothing, until something is written. For one thread."""

    def __init__(self) -> None:
        self._found: dict[str, tuple[Any, Any]] = {}

    def unless_changed(self, name: str, ask: Callable[[], Answer]) -> Answer:
        """What `ask` gives, which reads rows and nothing else; asked again only after something, or a write."""
        now = state()
        if now is not None and name in self._found and self._found[name][0] == now:
            answer: Answer = self._found[name][1]
            return answer
        answer = ask()
        if answer:
            self._found.pop(name, None)
        else:
            self._found[name] = now, answer
        return answer
