"""Every key that does something, in one list: the dialog that `?` opens and the page of keys are made of it."""

from __future__ import annotations

from dataclasses import dataclass

from tavern.places import PLACES


@dataclass(frozen=True)
class Key:
    presses: tuple[str, ...]
    """One after the other."""
    does: str


@dataclass(frozen=True)
class Section:
    title: str
    keys: tuple[Key, ...]


SECTIONS = (
    Section(
        "Everywhere",
        (
            Key(("?",), "this list"),
            Key(("/",), "the search field, or the question to the Oracle"),
            Key(("M",), "sound on or off"),
            Key(("Esc",), "close what is open"),
        ),
    ),
    Section("Places", tuple(Key(("G", place.key.upper()), place.label) for place in PLACES)),
    Section(
        "Tavern",
        (
            Key(("P",), "rest, or go on"),
            Key(("L",), "battle log"),
            Key(("Y",), "logarithmic loss"),
            Key(("[",), "less smoothing"),
            Key(("]",), "more smoothing"),
            Key(("F",), "loss chart over the whole screen"),
        ),
    ),
    Section(
        "In a chart",
        (
            Key(("←",), "one point back"),
            Key(("→",), "one point on"),
            Key(("Shift", "→"), "ten points on"),
            Key(("Home",), "the first point"),
            Key(("End",), "the newest point"),
        ),
    ),
)
