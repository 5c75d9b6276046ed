"""What the gatekeepers let pass: the keys under `gatekeeper` in the settings."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, Self

Depth = Literal["quick", "standard", "deep"]
DEPTHS: tuple[Depth, ...] = ("quick", "standard", "deep")
Treatment = Literal["refuse", "warn", "allow"]

# The least and the most of each number.
_RANGES: dict[str, tuple[float, float]] = {
    "most_bad_share": (0, 1), "largest_gb": (1e-6, 10_000), "largest_ratio": (2, 100_000), "quarantine_mb": (0, 10**5),
    "sparring_stale_steps": (0, 10**12),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class GateRules:
    depth: Depth = "standard"
    """`quick` parses and compares, `standard` counts the hero's tokens too, `deep` also looks for near copies."""
    most_bad_share: float = 0.1
    """A quest with more bad rows than that is refused as a whole. Copies of other rows are only left out."""
    duplicates: Treatment = "refuse"
    """Rows that stand in the same file before, or in an earlier quest."""
    evaluated: Treatment = "refuse"
    """Rows whose question is in an evaluation or validation set."""
    leaks: Treatment = "refuse"
    """Rows whose answer stands word for word in their prompt."""
    hold: Literal["never", "warned", "always"] = "never"
    """Which of the player's quests wait until they are released; `warned`: those with a refused row or a warning."""
    largest_gb: float = 32.0
    """GB (10^9 bytes) of a quest, decompressed."""
    largest_ratio: int = 200
    """How many times its compressed size a quest may be, from 64 MiB on."""
    quarantine_mb: int = 64
    """MB (10^6 bytes) of refused rows that are kept beside a quest."""
    sparring_stale_steps: int = 1000
    """A sparring's mistakes are no longer the hero's when it has trained for more steps than this since it made them;
    the quest is cancelled when its battle would begin."""

    def __post_init__(self) -> None:
        for name, (least, most) in _RANGES.items():
            value = getattr(self, name)
            if not least <= value <= most:
                raise ValueError(f"{name}: {value!r} is not allowed; allowed are {least} to {most}")

    def forced(self) -> Self:
        """What the player insists on is taken as far as it can be read."""
        return replace(self, most_bad_share=1.0, duplicates="allow")
