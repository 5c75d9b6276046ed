"""When a daemon ends by itself: one in the foreground of a terminal may, one in the background never does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Until:
    step: int | None = None
    """Of the hero's life: the battle pauses there, exactly, and the daemon ends."""
    idle: bool = False
    """Once nothing is fought and nothing waits."""

    def is_reached(self, step: int) -> bool:
        return self.step is not None and step >= self.step


FOREVER = Until()
