"""What the player wants kept: `treasury: {…}` of the settings, read strictly. No Django."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from realm import strict
from realm.config import RealmConfig
from realm.strict import Bounds

FEWEST = 2
"""The newest and the one that training falls back to."""
Count = Annotated[int, Bounds(0)]
Gigabytes = Annotated[float, Bounds(0)]


@dataclass(frozen=True, kw_only=True)
class Rules:
    """A checkpoint that no rule names goes; one that must stay (vault.treasury.safety) does whatever they say."""

    keep_newest: Annotated[int, Bounds(FEWEST)] | None = None
    """So many newest stay. None: `keep_checkpoints`."""
    keep_best: Count = 0
    """So many best by `champion_metric` of what the hero has come from, beside the champion and the best by each loss.
    """
    hourly: Count = 0
    """For so many hours in which something was saved, the newest of each; `daily` and `weekly` alike."""
    daily: Count = 0
    """For so many days, the newest of each."""
    weekly: Count = 0
    """For so many weeks, the newest of each."""
    budget_gb: Gigabytes | None = None
    """GB (10^9 bytes) of a hero's checkpoints; beyond it the oldest go. None: `checkpoint_budget_gb`."""
    floor_gb: Gigabytes = 0.2
    """GB to leave free on the volume where the heroes lie: below it the trash is emptied, then the oldest go."""
    full_state: Annotated[int, Bounds(FEWEST)] | None = 10
    """So many newest keep their moments; older ones keep weights alone, unless somebody may go on from them.

    None: all keep them."""
    trash_gb: Gigabytes = 2.0
    """GB of deleted checkpoints of all heroes that can be put back; beyond it the oldest are gone for good."""
    trash_days: Annotated[float, Bounds(0)] = 7.0
    """Days that deleted ones can be put back."""

    def __post_init__(self) -> None:
        strict.check_ranges(self)
        for name in ("budget_gb", "floor_gb", "trash_gb", "trash_days"):
            if getattr(self, name) == math.inf:
                raise ValueError(f"{name}: a number is expected")


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The rules with the older settings under them."""

    rules: Rules
    keep_newest: int
    budget_bytes: int
    metric: str

    @property
    def floor_bytes(self) -> int:
        return int(self.rules.floor_gb * 1e9)

    @property
    def trash_bytes(self) -> int:
        return int(self.rules.trash_gb * 1e9)


def limits_of(config: RealmConfig) -> Limits:
    """Raises strict.BadConfig for rules that cannot be."""
    rules = strict.read(Rules, config.treasury, source="settings: treasury")
    budget = config.checkpoint_budget_gb if rules.budget_gb is None else rules.budget_gb
    return Limits(
        rules=rules,
        keep_newest=config.keep_checkpoints if rules.keep_newest is None else rules.keep_newest,
        budget_bytes=int(budget * 1e9),
        metric=config.champion_metric,
    )
