"""Storage that is quick is waited for, so that all is written in step with the training; slow storage is not."""

from __future__ import annotations

PATIENCE_SECONDS = 2.0
QUICK_SECONDS = 0.2
"""A write that takes less restores the patience; in between it stays what it is."""


class Patience:
    """What was slow once is not waited for again before it has been quick. Any thread may use it."""

    def __init__(self) -> None:
        self.exhausted = False
        """Whether the storage is known to be slow."""

    @property
    def seconds(self) -> float:
        """For which the training may wait for a write that has just begun."""
        return 0.0 if self.exhausted else PATIENCE_SECONDS

    def took(self, seconds: float) -> None:
        """A write has ended after so long."""
        if seconds >= PATIENCE_SECONDS:
            self.exhausted = True
        elif seconds < QUICK_SECONDS:
            self.exhausted = False
