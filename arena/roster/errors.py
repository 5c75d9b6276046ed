"""What is refused, in one sentence for the player."""

from __future__ import annotations


class HeroRefused(Exception):
    """It may not be done as the world stands; the text says what would help."""


class UnknownHero(HeroRefused):
    """There is no such hero here."""


class BadHero(HeroRefused):
    """What was entered can be no hero: its name, base model or preset."""
