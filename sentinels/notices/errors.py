"""Base of what is refused of a notice's destination."""

from __future__ import annotations


class NoticeError(ValueError):
    """One sentence for the player; it never holds an address."""


class NoSuchDestination(NoticeError):
    """Nobody gave one this name."""
