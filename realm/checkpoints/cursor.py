"""How far a quest is trained: what exact resume goes on from, kept in every sidecar."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cursor:
    """How far a quest is trained: the next optimizer step is `position` of `epoch`. Saved on step edges only."""

    quest_sha256: str
    epoch: int
    position: int
    quest_step: int
    """Optimizer steps done of this quest, over all epochs."""
    finished: bool
