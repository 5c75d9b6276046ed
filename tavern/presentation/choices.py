"""How the pages look, move and sound for one player; what of it the page's scripts and sheets go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from realm import strict
from realm.strict import Range

SOUNDS = ("hit", "crit", "block", "checkpoint", "level", "champion", "complete", "nan", "away")
"""Kinds of sounds that can be silenced alone."""
TOASTS = ("quests", "levels", "champions", "faults", "services")
"""Kinds of notices that can be left to the bell."""


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """What one player chose; whoever chose nothing has these."""

    theme: Literal["lamplit", "parchment", "contrast", "system"] = "lamplit"
    """A tavern at night, a letter by day, or high contrast; `system` follows what the browser prefers."""
    text_size: Literal[90, 100, 110, 120, 130] = 100
    """Percent of the browser's own text size."""
    numbers: Literal["full", "compact"] = "full"
    """`full` writes 128,900, `compact` 128k."""
    motion: Literal["system", "full", "calm", "off"] = "system"
    """`calm` has small movements and no flashes, `off` still pictures; `system` is full unless the browser asks for
    reduced motion."""
    damage: bool = True
    """Numbers that rise from each blow."""
    shake: bool = False
    """The scene shakes at what is heavy."""
    pause_unfocused: bool = False
    """The scene rests while another window has the focus."""
    sound: bool = False
    volume: Annotated[int, Range(0, 100)] = 30
    """Percent."""
    silent: tuple[
        Literal["hit", "crit", "block", "checkpoint", "level", "champion", "complete", "nan", "away"], ...
    ] = ()
    """Sounds that are left out."""
    muted: tuple[Literal["quests", "levels", "champions", "faults", "services"], ...] = ()
    """Short notices that are left to the bell and the battle log."""
    notify: bool = False
    """Notices of the browser while no page of the realm is seen; the browser asks first."""
    keys: bool = True
    """Keys of a single letter; `?` lists them."""
    smoothing: Annotated[int, Range(0, 95)] = 60
    """Percent by which curves are smoothed when a page opens."""
    chart_x: Literal["step", "tokens", "time"] = "step"
    """What curves are drawn over when a page opens."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)

    def attributes(self) -> dict[str, str]:
        """Of `<html>`, without their `data-`. What the browser decides is left out: sheets and scripts ask it."""
        switches = ("damage", "shake", "sound", "keys", "pause_unfocused", "notify")
        found = {name.replace("_", "-"): "on" if getattr(self, name) else "off" for name in switches}
        found |= {"theme": "lamplit" if self.theme == "system" else self.theme, "text-size": str(self.text_size)}
        found |= {"numbers": self.numbers, "volume": str(self.volume)}
        found |= {"smoothing": str(self.smoothing / 100), "chart-x": self.chart_x}
        found |= {"silent": " ".join(self.silent), "muted": " ".join(self.muted)}
        if self.theme == "system":
            found["theme-of"] = "system"
        if self.motion != "system":
            found["motion"] = self.motion
        return found

    @property
    def colour(self) -> str:
        """Of the browser's own frame around the page."""
        return {"parchment": "#e4d6b8", "contrast": "#000000"}.get(self.theme, "#0d0b12")
