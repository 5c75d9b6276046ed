"""SIGINT and SIGTERM of a training in the foreground: the first saves, the second does not wait for that."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass
class Received:
    number: int | None = None
    """Of the first signal."""

    @property
    def exit_code(self) -> int:
        """As of a program that the signal ends."""
        return 128 + (self.number or 0)


@contextmanager
def heeded(first: Callable[[], None], second: Callable[[], None]) -> Iterator[Received]:
    received = Received()

    def hear(number: int, _: object) -> None:
        if received.number is None:
            received.number = number
            first()
        else:
            second()

    before = {number: signal.signal(number, hear) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
