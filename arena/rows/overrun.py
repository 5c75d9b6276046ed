"""A model's own code (its chat template) ends when it takes too long or too much. Standard library only."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

LONGEST_SECONDS = 2.0
"""Of this process's own time, for one rendering: a busy machine is nobody's fault, and an honest template takes a
millisecond for a long conversation."""
_AGAIN_SECONDS = 1.0
"""Should the first interruption be lost, as in a finaliser."""


class Overrun(Exception):
    """What comes with the model took too long or too much; no row and no quest is to blame. The text says what."""


@contextmanager
def bounded(what: str) -> Iterator[None]:
    """Raises Overrun when what is done in it takes longer, or more memory than this process may have.

    A thread other than the main one cannot be interrupted: there only memory is watched.
    """
    try:
        if threading.current_thread() is threading.main_thread():
            with _alarm(f"{what} ran for more than {LONGEST_SECONDS:.0f} s"):
                yield
        else:
            yield
    except MemoryError:
        raise Overrun(f"{what} needed too much memory") from None


@contextmanager
def _alarm(told: str) -> Iterator[None]:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Overrun(told)

    before = signal.signal(signal.SIGPROF, interrupt)
    signal.setitimer(signal.ITIMER_PROF, LONGEST_SECONDS, _AGAIN_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, before)
