"""Any value as JSON has it, of bounded size: what is logged may hold anything."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from itertools import islice
from typing import Any

LONGEST_TEXT = 4000
MOST_ITEMS = 100
DEEPEST = 6
_LARGEST_INTEGER = 2**63
_TERMINAL_CODES = {code: f"\\x{code:02x}" for code in range(0x7F, 0xA0)}
"""JSON escapes the lower control characters alone; a terminal obeys these, too."""
_LOWER_CODES = {code: f"\\x{code:02x}" for code in range(0x20) if chr(code) not in "\n\t"}


def bounded(value: Any, depth: int = DEEPEST) -> Any:
    """The value made of what JSON knows; what is not finite is None, what is too long, many or deep is cut."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, int):
        return int(value) if abs(value) < _LARGEST_INTEGER else text(hex(value))
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, str):
        return text(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if depth > 0:
        if is_dataclass(value) and not isinstance(value, type):
            value = {field.name: getattr(value, field.name) for field in fields(value)}
        if isinstance(value, Mapping):
            return {text(_shown(key)): bounded(item, depth - 1) for key, item in islice(value.items(), MOST_ITEMS)}
        if isinstance(value, list | tuple | set | frozenset):
            return [bounded(item, depth - 1) for item in islice(value, MOST_ITEMS)]
    return text(_shown(value))


def text(value: str, longest: int = LONGEST_TEXT) -> str:
    """Without lone surrogates, which UTF-8 has not, and without what drives a terminal."""
    cut = value if len(value) <= longest else f"{value[:longest]}… ({len(value) - longest:,} characters more)"
    return cut.encode("utf-8", "backslashreplace").decode().translate(_TERMINAL_CODES)


def harmless(text: str) -> str:
    """For a terminal: with its line breaks and tabs, and nothing else that it obeys."""
    return text.encode("utf-8", "backslashreplace").decode().translate(_LOWER_CODES | _TERMINAL_CODES)


def _shown(value: object) -> str:
    try:
        return str(value)
    except Exception as error:  # of an object that cannot even be named
        return f"<{type(value).__name__}: {type(error).__name__}>"
