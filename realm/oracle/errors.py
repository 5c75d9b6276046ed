"""What can go wrong with an inference host, each in one sentence for the player."""

from __future__ import annotations

from collections.abc import Iterable


class HostTrouble(Exception):
    """Base of all; raised itself where a host refuses or answers nonsense."""


class HostDown(HostTrouble):
    """Nobody answers there, or not in time."""


class NotLoaded(HostTrouble):
    """`available`: steps that could be asked (or, when loading, could be loaded), highest first."""

    def __init__(self, text: str, available: Iterable[int]) -> None:
        super().__init__(text)
        self.available = sorted(set(available), reverse=True)


class WrongModel(HostTrouble):
    """Another model answered than was asked, or one that does not say which."""


class Damaged(HostTrouble):
    """The checkpoint's bytes are not those that were saved; the text names the file."""


class Ambiguous(HostTrouble):
    """Several checkpoints are of the step; the text names them."""


class TooLong(HostTrouble):
    """What was said does not fit into the model's context."""


class NoRoom(HostTrouble):
    """The checkpoint does not fit into the host's memory."""


def not_loaded(step: int, available: Iterable[int]) -> NotLoaded:
    steps = sorted(set(available), reverse=True)
    return NotLoaded(f"Step {step} not loaded. Available: {steps}", steps)
