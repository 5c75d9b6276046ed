"""What a run was asked and what came of it, in words for whoever reads them: a page or a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def pairs(values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and value; what is None was not given and is left out."""
    return [(key.replace("_", " "), in_words(value)) for key, value in values.items() if value is not None]


def in_words(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{key}: {in_words(item)}" for key, item in value.items())
    if isinstance(value, list):
        return ", ".join(map(in_words, value))
    return str(value)
