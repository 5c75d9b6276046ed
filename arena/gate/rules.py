"""What the gatekeepers let pass: the keys under `gatekeeper` in the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Literal, Self

from realm import strict
from realm.strict import Range

Depth = Literal["quick", "standard", "deep"]
DEPTHS: tuple[Depth, ...] = ("quick", "standard", "deep")
Treatment = Literal["refuse", "warn", "allow"]


@dataclass(frozen=True, kw_only=True)
class GateRules:
    depth: Depth = "standard"
    """`quick` parses and compares, `standard` counts the hero's tokens too, `deep` also looks for near copies."""
    most_bad_share: Annotated[float, Range(0, 1)] = 0.1
    """A quest with more bad rows than that is refused as a whole. Copies of other rows are only left out."""
    duplicates: Treatment = "refuse"
    """Rows that stand in the same file before, or in an earlier quest."""
    evaluated: Treatment = "refuse"
    """Rows whose question is in an evaluation or validation set."""
    leaks: Treatment = "refuse"
    """Rows whose answer stands word for word in their prompt."""
    hold: Literal["never", "warned", "always"] = "never"
    """Which of the player's quests wait until they are released; `warned`: those with a refused row or a warning."""
    largest_gb: Annotated[float, Range(1e-6, 10_000)] = 32.0
    """GB (10^9 bytes) of a quest, decompressed."""
    largest_ratio: Annotated[int, Range(2, 100_000)] = 200
    """How many times its compressed size a quest may be, from 64 MiB on."""
    quarantine_mb: Annotated[int, Range(0, 10**5)] = 64
    """MB (10^6 bytes) of refused rows that are kept beside a quest."""
    held_out_share: Annotated[float, Range(0, 0.5)] = 0.05
    """Of the rows of the player's own quests, never trained on: their loss says what the quest taught. 0: none."""
    held_out_least: Annotated[int, Range(1, 10**6)] = 20
    """Rows held out of a quest, at least."""
    held_out_most: Annotated[int, Range(1, 10**6)] = 500
    """Rows held out of a quest, at most."""
    held_out_from_rows: Annotated[int, Range(2, 10**9)] = 200
    """Of a smaller quest no row is held out."""
    sparring_stale_steps: Annotated[int, Range(0, 10**12)] = 1000
    """A sparring's mistakes are no longer the hero's when it has trained for more steps than this since it made them;
    the quest is cancelled when its battle would begin."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        if self.held_out_least > self.held_out_most:
            raise ValueError(
                f"held_out_least: {self.held_out_least} must be at most held_out_most, which is {self.held_out_most}"
            )
        if self.held_out_least >= self.held_out_from_rows:
            raise ValueError(
                f"held_out_least: {self.held_out_least} must be below held_out_from_rows, which is "
                f"{self.held_out_from_rows}: else a quest of so many rows would have none left to train on"
            )

    def held_out_of(self, rows: int) -> int:
        """How many of a quest's rows that can be trained on are held out."""
        if rows < self.held_out_from_rows or not self.held_out_share:
            return 0
        return min(max(round(self.held_out_share * rows), self.held_out_least), self.held_out_most)

    def forced(self) -> Self:
        """What the player insists on is taken as far as it can be read."""
        return replace(self, most_bad_share=1.0, duplicates="allow")
