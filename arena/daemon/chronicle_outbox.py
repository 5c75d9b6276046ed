"""What the chronicle is to tell as soon as it can be written: the disk in trouble may be the database's own."""

from __future__ import annotations

from collections import deque
from typing import Any

from arena import chronicle


class Outbox:
    def __init__(self) -> None:
        self._entries: deque[tuple[str, str, dict[str, Any]]] = deque()

    def add(self, kind: str, message: str, **data: Any) -> None:
        """In memory only, so that it cannot fail."""
        self._entries.append((kind, message, data))

    def flush(self) -> bool:
        """Write what waits, in its order; whether anything did. What cannot be written waits on."""
        waited = bool(self._entries)
        while self._entries:
            kind, message, data = self._entries[0]
            chronicle.say(kind, message, **data)
            self._entries.popleft()
        return waited
