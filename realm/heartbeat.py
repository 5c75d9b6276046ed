"""What a daemon wrote of itself under `status/`, taking nothing on trust: a key of another kind is missing."""

from __future__ import annotations

import math
from typing import Any


class Heartbeat:
    """Of a decoded JSON value; what is no mapping says nothing."""

    def __init__(self, value: Any) -> None:
        self._said: dict[str, Any] = value if isinstance(value, dict) else {}

    @property
    def time(self) -> float | None:
        """In seconds since 1970."""
        return self.number("time")

    @property
    def pid(self) -> int | None:
        value = self._said.get("pid")
        return value if isinstance(value, int) and value is not True else None

    def number(self, key: str) -> float | None:
        value = self._said.get(key)
        return value if isinstance(value, float | int) and math.isfinite(value) and value is not True else None

    def text(self, key: str) -> str | None:
        value = self._said.get(key)
        return value if isinstance(value, str) else None

    def is_true(self, key: str) -> bool:
        return self._said.get(key) is True

    def mapping(self, key: str) -> dict[str, Any] | None:
        value = self._said.get(key)
        return value if isinstance(value, dict) else None

    def mappings(self, key: str) -> list[dict[str, Any]]:
        value = self._said.get(key)
        return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
