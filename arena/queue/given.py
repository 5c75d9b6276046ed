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
    ticket: bytes = b""

    def claim(self, target: Path) -> None:
        """Raises FileExistsError where somebody else's lies there; then nothing of this does."""
        reports.claim_wishes(target, self.wishes)
        claimed = []
        try:
            for beside, data in self._files(target):
                durable.create_bytes(beside, data)
                claimed.append(beside)
        except BaseException:
            for beside in claimed:
                beside.unlink(missing_ok=True)
            self._give_up_wishes(target)
            raise

    def give_up(self, target: Path) -> None:
        """Else the next file of that name would have it."""
        self._give_up_wishes(target)
        for beside, _ in self._files(target):
            beside.unlink(missing_ok=True)

    def _files(self, target: Path) -> list[tuple[Path, bytes]]:
        found = ((reports.RECIPE, self.recipe), (reports.TICKET, self.ticket))
        return [(reports.companion(target, suffix), data) for suffix, data in found if data]

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
