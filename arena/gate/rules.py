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
    sparring_stale_steps: Annotated[int, Range(0, 10**12)] = 1000
    """A sparring's mistakes are no longer the hero's when it has trained for more steps than this since it made them;
    the quest is cancelled when its battle would begin."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)

    def forced(self) -> Self:
        """What the player insists on is taken as far as it can be read."""
        return replace(self, most_bad_share=1.0, duplicates="allow")
