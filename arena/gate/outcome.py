"""What a completed quest of the player's taught and cost: `<file>.outcome.json` beside it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from arena.gate.report import OUTCOME, companion
from realm import strict

_KEYS = frozenset({"held_out_loss", "levels", "earlier_quests"})
"""A later release may write more."""
UNKNOWN = "--"
ENOUGH_ACCURACY = 0.8
"""Share of right answers at which a level counts as held."""


@dataclass(frozen=True, kw_only=True)
class Loss:
    """Over the same rows, before the first step and after the last one."""

    before: float | None
    after: float | None
    """None where it could not be measured."""
    rows: int

    def __str__(self) -> str:
        before, after = (UNKNOWN if value is None else f"{value:.2f}" for value in (self.before, self.after))
        return f"{before} → {after}"

    @property
    def better(self) -> bool | None:
        """None where they are the same, or one of them was not measured."""
        if self.before is None or self.after is None or self.before == self.after:
            return None
        return self.after < self.before


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    """0 to 1; None where it was not asked."""

    before: float | None
    after: float | None

    def __str__(self) -> str:
        before, after = (UNKNOWN if value is None else f"{value:.0%}" for value in (self.before, self.after))
        return f"{before} → {after}"

    @property
    def held(self) -> bool:
        return self.after is not None and self.after >= ENOUGH_ACCURACY

    @property
    def lost(self) -> bool:
        before, after = self.before, self.after
        return before is not None and after is not None and before >= ENOUGH_ACCURACY > after


@dataclass(frozen=True, kw_only=True)
class Outcome:
    held_out_loss: Loss | None = None
    """None where no rows were held out."""
    levels: dict[str, dict[str, Accuracy]] = field(default_factory=dict)
    """By skill and level, those that were won before."""
    earlier_quests: dict[str, Loss] = field(default_factory=dict)

    def each_level(self) -> Iterator[tuple[str, str, Accuracy]]:
        for skill, levels in self.levels.items():
            yield from (
                (skill, level, change)
                for level, change in sorted(levels.items(), key=lambda one: (len(one[0]), one[0]))
            )

    def sentences(self) -> list[str]:
        """The loss, each level, each earlier quest."""
        told = []
        if loss := self.held_out_loss:
            told.append(f"held-out loss {_losses(loss)}")
        for skill, level, change in self.each_level():
            lost = ", lost" if change.lost else ""
            told.append(f"{skill.upper()} {level} {change}{lost}")
        told += [f"{name}: held-out loss {_losses(loss)}" for name, loss in self.earlier_quests.items()]
        return told


def read_outcome(path: Path) -> Outcome | None:
    """Of the quest whose file lies at `path`; None where none lies beside it, or none that can be read."""
    try:
        value = json.loads(companion(path, OUTCOME).read_bytes())
        known = {key: item for key, item in dict.items(value) if key in _KEYS}
        return strict.read(Outcome, known, source=str(path))
    except (OSError, ValueError, TypeError, RecursionError):
        return None


def _losses(loss: Loss) -> str:
    return f"{loss} on {loss.rows:,} row{'' if loss.rows == 1 else 's'}"
