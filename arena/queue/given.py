"""What the player gave with a quest: it lies beside the quest before the quest itself does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from arena.gate import report as reports
from arena.gate.report import NO_WISHES, Wishes
from realm.disk import durable


@dataclass(frozen=True)
class Given:
    """What lies beside a quest before the quest itself does."""

    wishes: Wishes
    recipe: bytes

    def claim(self, target: Path) -> None:
        """Raises FileExistsError where somebody else's lies there; then nothing of this does."""
        reports.claim_wishes(target, self.wishes)
        try:
            if self.recipe:
                durable.create_bytes(reports.companion(target, reports.RECIPE), self.recipe)
        except BaseException:
            self._give_up_wishes(target)
            raise

    def give_up(self, target: Path) -> None:
        """Else the next file of that name would have it."""
        self._give_up_wishes(target)
        if self.recipe:
            reports.companion(target, reports.RECIPE).unlink(missing_ok=True)

    def _give_up_wishes(self, target: Path) -> None:
        if self.wishes != NO_WISHES:
            reports.write_wishes(target, NO_WISHES)


def move_with_recipe(path: Path, target: Path) -> None:
    """The recipe first, so that the daemon never sees the quest without. Raises FileExistsError or OSError."""
    beside, recipe = reports.companion(path, reports.RECIPE), reports.companion(target, reports.RECIPE)
    has_recipe = os.path.lexists(beside)
    if has_recipe:
        durable.rename(beside, recipe)
    try:
        durable.rename(path, target)
    except OSError:
        if has_recipe:
            durable.rename(recipe, beside)
        raise
