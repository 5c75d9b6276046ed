"""How large a quest file, and a row of it, may be before it is refused; compressed files and bombs too."""

from __future__ import annotations

from dataclasses import dataclass

LARGEST_LINE_BYTES = 16 * 1024 * 1024


@dataclass(frozen=True, kw_only=True)
class Limits:
    largest_line_bytes: int = LARGEST_LINE_BYTES
    largest_bytes: int = 32 * 10**9
    """Decompressed."""
    largest_ratio: int = 200
    """Decompressed to compressed size, once 64 MiB are decompressed."""


LIMITS = Limits()
INSPECTED = Limits(largest_bytes=2**63, largest_ratio=2**63)
"""For quests that the gatekeepers let pass, whatever limits the settings gave them."""
